"""Items -> a store of embeddings per model and modality, and the losses."""

from pathlib import Path

import pandas as pd

from ucl.digits.items import read_world
from ucl.digits.models import Recipe, encoders, train
from ucl.files import write_parquet
from ucl.media.store import Store, write_store
from ucl.runtime import start

start(snakemake)
world = read_world(snakemake.input.table, snakemake.input.content)
recipe, dims = Recipe(**snakemake.params.training), snakemake.params.embed_dims
folder, losses = Path(snakemake.output.stores[0]).parent, []
for name in snakemake.params.models:
    width = dims["joint"] if name.startswith("joint") else dims[name]
    curve = []
    model = train(name, world, width, recipe, int(snakemake.wildcards.seed), report=curve.append)
    losses += [{"model": name, "step": step, "loss": loss} for step, loss in enumerate(curve)]
    for modality, encoder in encoders(model).items():
        items = world[modality]
        store = Store(encoder.info, list(items.ids), encoder.encode(items.content))
        write_store(store, folder / f"{name}.{modality}.parquet")
write_parquet(pd.DataFrame(losses), snakemake.output.losses)
