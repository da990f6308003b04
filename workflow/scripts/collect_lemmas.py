"""Checks -> metrics, report table, runs."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.lemmas.summary import summarise
from ucl.files import digest, write_json
from ucl.reporting import tracking
from ucl.reporting.tables import save_table

job.start(snakemake)
checks = pd.read_parquet(snakemake.input.checks)
write_json(summarise(checks), snakemake.output.metrics)
save_table(checks, Path(snakemake.output.tables[0]).with_suffix(""))
params = tracking.flatten(snakemake.params.section, "lemmas")
tags = tracking.describe_code() | {"rule": "check_lemmas", "data.sha256": digest(snakemake.input.checks)}
runs = [
    tracking.Run(
        experiment="lemmas",
        name=check["check"],
        params=params | {"check": check["check"]},
        metrics={name: [[0, float(check[name])]] for name in ("error", "tolerance", "holds", "deviation")},
        tags=tags,
        artifacts=[*snakemake.output.tables, snakemake.output.metrics],
    )
    for check in checks.to_dict("records")
]
tracking.write_runs(runs, snakemake.output.runs)
