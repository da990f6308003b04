"""A rule's inputs -> figures, by the `draw` of the module that its parameters name."""

import importlib
from pathlib import Path

from ucl.logs import start_log

start_log(snakemake)
figures = importlib.import_module(snakemake.params.module)
files = {
    name: [Path(file) for file in ([own] if isinstance(own, str) else own)] for name, own in snakemake.input.items()
}
figures.draw(files, snakemake.params.section, Path(snakemake.output[0]).parent)
