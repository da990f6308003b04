"""Scores of all suites and seeds -> tables with intervals, metrics, runs."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.bridging import scoring as bridging
from ucl.files import digest, write_json, write_parquet
from ucl.reporting import tracking
from ucl.reporting.tables import save_table


def read(files):
    """One table of all suites and seeds."""
    named = [(pd.read_parquet(file), Path(file).parts[-3:-1]) for file in files]
    return pd.concat(
        [frame.assign(suite=suite, seed=int(seed.removeprefix("seed"))) for frame, (suite, seed) in named],
        ignore_index=True,
    )


job.start(snakemake)
recall = bridging.with_intervals(
    read(snakemake.input.recall), ["suite", "task", "through", "method", "candidates", "queries"]
)
banks = bridging.with_intervals(read(snakemake.input.banks), ["suite", "method", "bank"])
uniformity = bridging.summarise_uniformity(read(snakemake.input.uniformity))
write_parquet(recall, snakemake.output.recall)
write_parquet(banks, snakemake.output.banks)
write_json(bridging.summarise(recall), snakemake.output.metrics)
tables = Path(snakemake.output.tables[0]).parent
for frame, stem in ((recall, "bridging"), (banks, "bridging_bank"), (uniformity, "bridging_uniformity")):
    save_table(frame, tables / stem)

params = tracking.flatten(snakemake.params.section, "bridging")
data = {f"data.{Path(file).parent.name}.sha256": digest(file) for file in snakemake.input.table}
tags = tracking.describe_code() | data | {"rule": "score_bridging"}
losses = read(snakemake.input.losses) if snakemake.input.losses else None
shown = [*snakemake.output.tables, snakemake.output.metrics]
runs = [
    tracking.Run("bridging", name, params | chosen, metrics, tags, shown)
    for name, chosen, metrics in bridging.describe_runs(recall, losses)
]
tracking.write_runs(runs, snakemake.output.runs)
