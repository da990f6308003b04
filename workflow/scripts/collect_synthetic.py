"""Scores of all models -> one table of learning curves, one of all candidates, metrics, report tables, runs."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.synthetic import summary as synthetic
from ucl.files import digest, write_json, write_parquet
from ucl.reporting import tracking
from ucl.reporting.tables import save_table

job.start(snakemake)
parts = {what: {} for what in ("epochs", "candidates")}
for file in map(Path, snakemake.input.scores):
    model, what, _ = file.name.split(".")
    parts[what][file.parent.name, model] = pd.read_parquet(file)
epochs, candidates = synthetic.combine(parts["epochs"]), synthetic.combine(parts["candidates"])
write_parquet(epochs, snakemake.output.epochs)
write_parquet(candidates, snakemake.output.candidates)
summary = synthetic.summarise(epochs)
write_json(summary, snakemake.output.metrics)
tables = Path(snakemake.output.tables[0]).parent
save_table(synthetic.tabulate_epochs(summary), tables / "synthetic")
save_table(synthetic.tabulate_candidates(candidates), tables / "synthetic_candidates")

params = tracking.flatten(snakemake.params.section, "synthetic")
tags = tracking.describe_code() | {"rule": "score_synthetic", "data.sha256": digest(snakemake.input.data)}
shown = [*snakemake.output.tables, snakemake.output.metrics, *snakemake.params.figures]
runs = [
    tracking.Run(
        experiment="synthetic",
        name=f"{critic} {method} {protocol}",
        params=params | {"protocol": protocol, "critic": critic, "method": method},
        metrics=metrics,
        tags=tags | {"wildcards": f"protocol={protocol} model={critic}"},
    )
    for (protocol, critic, method), metrics in synthetic.learning_curves(epochs, candidates).items()
]
summary = tracking.Run("synthetic", "report", params, metrics={}, tags=tags, artifacts=shown)
tracking.write_runs([*runs, summary], snakemake.output.runs)
