"""Scores and curves of all mazes -> metrics, tables for the report, runs."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.maze import showcase, summary
from ucl.files import write_json
from ucl.reporting import tracking
from ucl.reporting.tables import save_table

job.start(snakemake)
scores = pd.concat(map(pd.read_parquet, snakemake.input.scores), ignore_index=True)
metrics = summary.metrics(scores)
write_json(metrics, snakemake.output.metrics)
folder = Path(snakemake.output.tables[0]).parent
policies = summary.tabulate_policies(scores)
for name, table in {
    "maze": policies,
    "maze_success": summary.tabulate_success(policies),
    "maze_claims": summary.tabulate_claims(scores),
    "maze_ambiguity": summary.tabulate_ambiguity(scores),
    "maze_words": summary.tabulate_words(scores),
    "maze_banks": summary.tabulate_banks(pd.read_parquet(snakemake.input.banks)),
    "maze_first_column": showcase.first_moves(pd.read_parquet(snakemake.input.paths)),
}.items():
    save_table(table, folder / name)

params = tracking.flatten(snakemake.params.section, "maze")
curves = {Path(file).parent.name: summary.learning_curves(pd.read_parquet(file)) for file in snakemake.input.curves}
runs = [
    tracking.Run(
        experiment="maze",
        name=f"{maze} {policy}",
        params=params | {"maze": maze, "policy": policy},
        metrics=curves[maze] | {key: [[0, values[key]]] for key in ("success", "spl", "steps")},
        tags=tracking.describe_code() | {"rule": "test_maze", "wildcards": f"maze={maze}"},
        artifacts=[snakemake.output.metrics],
    )
    for maze, policies in metrics.items()
    for policy, values in policies.items()
]
tracking.write_runs(runs, snakemake.output.runs)
