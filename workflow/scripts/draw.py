"""A rule's inputs -> figures, by the `draw` of the module that its parameters name."""

import importlib
from pathlib import Path

from ucl.logs import start_log
from ucl.reporting.collected import by_name

start_log(snakemake)
figures = importlib.import_module(snakemake.params.module)
figures.draw(by_name(snakemake.input), snakemake.params.section, Path(snakemake.output[0]).parent)
