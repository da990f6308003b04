"""Embeddings of all models -> recall of every method."""

from pathlib import Path

import job
import pandas as pd

from ucl.files import write_parquet
from ucl.media.pretrained import measure_recall, score_pretrained
from ucl.media.store import read_store

job.start(snakemake)


def stores(files):
    """Stores by role and modality, which the files are named after."""
    found = {}
    for file in map(Path, files):
        role, modality = file.stem.split(".")
        found.setdefault(role, {})[modality] = read_store(file)
    return found


models = stores([*snakemake.input.image_text, *snakemake.input.audio_text])
joint = {parts["text"].info.model: parts for parts in stores(snakemake.input.joint).values()}
scored = score_pretrained(models["image_text"], models["audio_text"], joint)
parts = [
    measure_recall(row.scores, snakemake.params.candidates, snakemake.params.draws).assign(
        method=row.method, model=row.model
    )
    for row in scored.itertuples()
]
write_parquet(pd.concat(parts, ignore_index=True), snakemake.output[0])
