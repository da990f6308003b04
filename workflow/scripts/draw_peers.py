"""Metrics -> figure."""

from pathlib import Path

import job

from ucl.experiments.peers.figures import draw
from ucl.files import read_json

job.log(snakemake)
section = snakemake.params.section
stem = Path(snakemake.output[0]).with_suffix("")
draw(read_json(snakemake.input.metrics), stem, section["candidates"], section["seeds"])
