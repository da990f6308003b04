"""A rule's inputs -> metrics, headline, tables, runs, by the `collect` of the summary that its parameters name."""

import importlib
from pathlib import Path

from ucl.logs import start_log
from ucl.reporting.collected import write_collected


def by_name(files):
    """Named inputs or outputs as lists of paths."""
    return {name: [Path(file) for file in ([own] if isinstance(own, str) else own)] for name, own in files.items()}


start_log(snakemake)
params = snakemake.params
summary = importlib.import_module(params.module)
collected = summary.collect(by_name(snakemake.input), params.section)
write_collected(params.experiment, collected, by_name(snakemake.output), params.artifacts)
