"""Stores -> scores of all tasks over one shard of their banks."""

from pathlib import Path

from ucl.experiments.bridging.scoring import score_shard
from ucl.experiments.bridging.suite import read_suite
from ucl.runtime import start

start(snakemake)
number, count = map(int, snakemake.wildcards.scatteritem.split("-of-"))
suite = read_suite(snakemake.input.table, Path(snakemake.input.stores[0]).parent)
score_shard(suite, (number - 1, count), Path(snakemake.output[0]))
