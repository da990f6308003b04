"""A rule's inputs -> metrics, headline, tables, runs, by the `collect` of the summary that its parameters name."""

import importlib

from ucl.logs import start_log
from ucl.reporting.collected import by_name, write_collected

start_log(snakemake)
params = snakemake.params
summary = importlib.import_module(params.module)
collected = summary.collect(by_name(snakemake.input), params.section)
outputs, about = by_name(snakemake.output), summary.__doc__ or ""
write_collected(params.experiment, collected, outputs, params.artifacts, about, params.jobs)
