"""Stores -> recall of every task and method, recall by bank size, tests of uniformity."""

from pathlib import Path

from ucl.experiments.bridging import scoring
from ucl.experiments.bridging.suite import read_suite
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
section, seed = snakemake.params.section, int(snakemake.wildcards.seed)
suite = read_suite(snakemake.input.table, Path(snakemake.input.stores[0]).parent)
sizes = section["candidates"]
merged = scoring.merge_shards(snakemake.input.shards) if snakemake.input.shards else None
recall = scoring.evaluate(suite, sizes, section["draws"], seed, merged, section["distil_steps"])
write_parquet(recall, snakemake.output.recall)
banks = scoring.evaluate_bank_sizes(
    suite,
    section["bank_sizes"],
    sizes[0],
    bank_draws=section["bank_draws"],
    draws=section["draws"],
    seed=seed,
    merged=merged,
)
write_parquet(banks, snakemake.output.banks)
write_parquet(scoring.uniformity_of_banks(suite, seed), snakemake.output.uniformity)
