"""Described runs -> MLflow, and a receipt."""

import job

from ucl.reporting.tracking import log_runs

job.log(snakemake)
log_runs(snakemake.input.runs, snakemake.output[0])
