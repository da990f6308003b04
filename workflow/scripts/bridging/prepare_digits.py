"""Spoken digits, images and the grammar -> one table of items, and what encoders read."""

from ucl.digits import items as digits
from ucl.runtime import start

start(snakemake)
held_out = snakemake.params.held_out
load = digits.load_speech if snakemake.wildcards.trained == "digits" else digits.load_recordings
world = {
    "image": digits.load_images(),
    "text": digits.load_phrases(),
    "audio": load(snakemake.params.source, held_out["validation"], held_out["test"]),
}
digits.write_world(world, snakemake.output.table, snakemake.output.content)
