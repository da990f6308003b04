"""The models of split 0 -> the folder where the encoders are looked for."""

from pathlib import Path

from ucl.logs import start_log
from ucl.stamps.models import copy_model

start_log(snakemake)
for source, path in zip(snakemake.input.models, snakemake.output.models, strict=True):
    copy_model(Path(source), Path(path))
