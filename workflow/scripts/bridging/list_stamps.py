"""Folder of stamps -> one row per stamp: group, captions, files."""

from ucl.files import write_parquet
from ucl.logs import start_log
from ucl.stamps.collection import read_stamps
from ucl.stamps.table import tabulate

start_log(snakemake)
write_parquet(tabulate(read_stamps(snakemake.params.folder), snakemake.params.language), snakemake.output[0])
