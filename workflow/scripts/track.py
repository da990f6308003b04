"""Described runs -> MLflow, and a receipt."""

from ucl.logs import start_log
from ucl.reporting.tracking import log_runs

start_log(snakemake)
log_runs(snakemake.input.runs, snakemake.output[0])
