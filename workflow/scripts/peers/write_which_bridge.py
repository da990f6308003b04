"""Metrics and verdicts of peers -> the page that says which bridge to use."""

import pandas as pd

from ucl.experiments.peers.which_bridge import write
from ucl.files import read_json
from ucl.logs import start_log

start_log(snakemake)
write(
    metrics=read_json(snakemake.input.metrics),
    verdicts=pd.read_csv(snakemake.input.table),
    params=snakemake.params.section,
    path=snakemake.output[0],
)
