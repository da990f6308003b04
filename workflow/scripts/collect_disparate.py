"""Learning curves of both pairs of widths -> metrics, report table, runs."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.disparate import training as disparate
from ucl.experiments.disparate.config import Disparate
from ucl.files import write_json
from ucl.reporting import tracking
from ucl.reporting.tables import save_table

job.start(snakemake)
section = snakemake.params.section
params = Disparate.model_validate(section)
keys = [params.boxes(width) for width in params.dimensions_bc]
curves = {key: pd.read_parquet(file) for key, file in zip(keys, snakemake.input.curves, strict=True)}
differences = {key: pd.read_parquet(file) for key, file in zip(keys, snakemake.input.differences, strict=True)}
summary = disparate.summarise(curves)
write_json(summary, snakemake.output.metrics)
save_table(disparate.tabulate(summary, differences), Path(snakemake.output.tables[0]).with_suffix(""))

tags = tracking.describe_code() | {"rule": "train_disparate"}
runs = [
    tracking.Run(
        experiment="disparate",
        name=f"{protocol} {key} {method}",
        params=tracking.flatten(section, "disparate") | {"protocol": protocol, "boxes": key, "method": method},
        metrics=metrics,
        tags=tags | {"wildcards": f"width={key}"},
        artifacts=[*snakemake.output.tables, snakemake.output.metrics],
    )
    for (protocol, key, method), metrics in disparate.learning_curves(curves).items()
]
tracking.write_runs(runs, snakemake.output.runs)
