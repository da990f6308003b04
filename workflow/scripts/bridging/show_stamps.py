"""Features and the models of split 0 -> the page to hear and see."""

from pathlib import Path

from ucl.experiments.bridging.stamps import never_trained_case, spoken_cases
from ucl.experiments.bridging.stamps_gallery import choose, render
from ucl.experiments.bridging.stamps_training import SPOKEN, split_stamps
from ucl.files import read_parquet
from ucl.runtime import start
from ucl.stamps.models import load_model
from ucl.stamps.world import read_world

start(snakemake)
section, count = snakemake.params.section, snakemake.params.shown
world = read_world(snakemake.input.table, snakemake.input.features)
folder = Path(snakemake.input.models[0]).parent
models = {name: load_model(name, folder)[0] for name in (*SPOKEN, "sound_text")}
unseen = [name for part, names in split_stamps(world, section, seed=0).items() if part != "image" for name in names]
cases = [
    *spoken_cases(world, models, section, seed=0),
    never_trained_case(world, models["sound_text"], models["image_text"], unseen),
]
sections = {case.protocol: choose(case, world.groups, section["candidates"], count, seed=0) for case in cases}
render(sections, read_parquet(snakemake.input.table), section["candidates"], snakemake.output[0])
