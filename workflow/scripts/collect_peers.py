"""Scores and references of all scenes -> metrics, report tables, runs."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.peers import summary as contest
from ucl.files import write_json
from ucl.reporting import tracking
from ucl.reporting.tables import save_table

job.start(snakemake)
files = zip(snakemake.params.scenes, snakemake.input.scores, snakemake.input.references, strict=True)
tables = {scene: pd.concat([pd.read_parquet(own), pd.read_parquet(other)]) for scene, own, other in files}
summary = contest.summarise(tables)
write_json(summary, snakemake.output.metrics)
folder = Path(snakemake.output.tables[0]).parent
save_table(contest.tabulate(summary), folder / "peers")
save_table(contest.verdicts(tables), folder / "peers_all")

params = tracking.flatten(snakemake.params.section, "peers")
runs = [
    tracking.Run(
        experiment="peers",
        name=f"{scene} {method}",
        params=params | {"world": scene, "method": method},
        metrics={name: [[0, value]] for name, value in entry.items() if value is not None},
        tags=tracking.describe_code() | {"rule": "score_peers", "wildcards": f"scene={scene}"},
        artifacts=[*snakemake.output.tables, snakemake.output.metrics],
    )
    for scene, methods in summary.items()
    for method, entry in methods.items()
]
tracking.write_runs(runs, snakemake.output.runs)
