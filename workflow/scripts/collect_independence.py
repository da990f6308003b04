"""Recalls at all levels of shared noise -> metrics, report table, runs."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.independence import training as independence
from ucl.files import write_json
from ucl.reporting import tracking
from ucl.reporting.tables import save_table

job.start(snakemake)
recalls = pd.concat([pd.read_parquet(file) for file in snakemake.input.recalls], ignore_index=True)
summary = independence.summarise(recalls)
write_json(summary, snakemake.output.metrics)
save_table(independence.tabulate(summary), Path(snakemake.output.tables[0]).with_suffix(""))

params = tracking.flatten(snakemake.params.section, "independence")
runs = [
    tracking.Run(
        experiment="independence",
        name=f"shared noise {noise} {method}",
        params=params | {"noise": noise, "method": method},
        metrics={name: [[0, value]] for name, value in entry.items()},
        tags=tracking.describe_code() | {"rule": "train_independence", "wildcards": f"noise={noise}"},
        artifacts=[*snakemake.output.tables, snakemake.output.metrics],
    )
    for noise, methods in summary.items()
    for method, entry in methods.items()
]
tracking.write_runs(runs, snakemake.output.runs)
