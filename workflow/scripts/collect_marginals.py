"""Simulations and inspected representations -> metrics, report tables, runs."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.marginals import summary as marginals
from ucl.files import write_json, write_parquet
from ucl.reporting import tracking
from ucl.reporting.tables import save_table

job.start(snakemake)
rejections = marginals.sizes(pd.concat([pd.read_parquet(file) for file in snakemake.input.rejections]))
write_parquet(rejections, snakemake.output.rejections)
inspected = {Path(file).name.split(".")[0]: pd.read_parquet(file) for file in snakemake.input.inspected}
summary = marginals.summarise(rejections, pd.read_parquet(snakemake.input.example), inspected)
write_json(summary, snakemake.output.metrics)
sizes, representations = marginals.tabulate(summary)
folder = Path(snakemake.output.tables[0]).parent
save_table(sizes, folder / "marginals_sizes")
save_table(representations, folder / "marginals_representations")

params = tracking.flatten(snakemake.params.section, "marginals")
tags = tracking.describe_code() | {"rule": "collect_marginals"}
shown = [*snakemake.output.tables, snakemake.output.metrics]
curves = rejections.groupby(["alternative", "test"], sort=False)
runs = [
    tracking.Run(
        experiment="marginals",
        name=f"{alternative} {test}",
        params=params | {"alternative": alternative, "test": test},
        metrics={"rejected": [[float(d), float(share)] for d, share in zip(rows["d"], rows["rejected"], strict=True)]},
        tags=tags | {"wildcards": f"alternative={alternative}"},
        artifacts=shown,
    )
    for (alternative, test), rows in curves
]
tracking.write_runs(runs, snakemake.output.runs)
