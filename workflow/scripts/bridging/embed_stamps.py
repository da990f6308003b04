"""Stamps and a pretrained network -> features of one kind."""

from pathlib import Path

from ucl.files import read_parquet
from ucl.runtime import start
from ucl.stamps.extraction import extract
from ucl.stamps.features import write_features
from ucl.stamps.table import items_of

start(snakemake)
items = items_of(read_parquet(snakemake.input.table), snakemake.wildcards.kind)
features = extract(snakemake.wildcards.kind, items, Path(snakemake.params.weights))
write_features(features, snakemake.output[0])
