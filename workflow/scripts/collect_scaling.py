"""Scores of all models -> metrics, report table, runs."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.scaling.scoring import BANKS
from ucl.experiments.scaling.summary import summarise, tabulate
from ucl.files import digest, write_json
from ucl.reporting import tracking
from ucl.reporting.tables import save_table

job.start(snakemake)
scores = {Path(file).parent.name: pd.read_parquet(file) for file in snakemake.input.scores}
summary, table = summarise(scores), tabulate(scores)
write_json(summary, snakemake.output.metrics)
save_table(table, Path(snakemake.output.tables[0]).with_suffix(""))
params = tracking.flatten(snakemake.params.section, "scaling")
runs = []
for (model, method), rows in table.groupby(["model", "method"], sort=False):
    names = ["recall_at_1", "effective_samples", "standard_error"] if method in BANKS else ["recall_at_1"]
    curves = rows.dropna(subset=names)
    runs.append(
        tracking.Run(
            experiment="scaling",
            name=f"{model} {method}",
            params=params | {"model": model, "method": method},
            metrics={name: curves[["samples", name]].to_numpy().tolist() for name in names},
            tags=tracking.describe_code()
            | {"rule": "score_scaling", "data.sha256": digest(snakemake.input.scores[list(scores).index(model)])},
            artifacts=[*snakemake.output.tables, snakemake.output.metrics],
        )
    )
tracking.write_runs(runs, snakemake.output.runs)
