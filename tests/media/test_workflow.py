"""The scripts of `data.smk`, run in order, on a folder of media with embeddings made elsewhere."""

import json
import runpy
import shutil
from types import SimpleNamespace

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from mirror import ROOT, mirrored

from ucl.errors import InputError
from ucl.media.base import EncoderInfo
from ucl.media.store import Store, read_store, write_store

CPU = torch.device("cpu")


@pytest.fixture
def run(monkeypatch):
    """Runs a script with a job's inputs, outputs, parameters and wildcards."""
    monkeypatch.setattr("ucl.runtime.start", lambda job: CPU)
    monkeypatch.setattr("ucl.logs.start_log", lambda job: None)

    def script(name, output, threads=2, **parts):
        spaces = {key: SimpleNamespace(**value) for key, value in parts.items()}
        job = SimpleNamespace(output=output, threads=threads, **spaces)
        runpy.run_path(str(ROOT / "workflow" / "scripts" / f"{name}.py"), {"snakemake": job})

    return script


class Files(SimpleNamespace):
    """Named outputs that are also numbered, as Snakemake's are."""

    def __getitem__(self, place):
        return list(vars(self).values())[place]


def embeddings(folder, model, modality, ids):
    rows = torch.randn(len(ids), 4, generator=torch.Generator().manual_seed(len(ids)))
    store = Store(EncoderInfo(model, modality, 4, False, 7.0, model), ids, rows)
    write_store(store, folder / f"{modality}.parquet")
    return store


def test_a_folder_from_manifest_to_items(tmp_path, run):
    (tmp_path / "manifest.csv").write_text(
        "id,audio,image,text\na,a.wav,a.jpg,rain\nb,b.wav,b.jpg,\nc,c.wav,c.jpg,wind\n"
    )
    manifest = str(tmp_path / "manifest.parquet")
    run("data/read_folder", Files(manifest=manifest), params={"manifest": str(tmp_path / "manifest.csv")})
    texts = ["text: rain", "text: wind"]
    made = {
        ("image_text", "image"): embeddings(tmp_path / "clip", "clip", "image", ["a", "b", "c"]),
        ("image_text", "text"): embeddings(tmp_path / "clip", "clip", "text", texts),
        ("audio_text", "audio"): embeddings(tmp_path / "clap", "clap", "audio", ["a", "c"]),  # b is missing
        ("audio_text", "text"): embeddings(tmp_path / "clap", "clap", "text", texts),
    }

    def embed(role, modality, max_failed):
        out = Files(
            store=str(tmp_path / "stores" / f"{role}.{modality}.parquet"),
            failures=str(tmp_path / "failures" / f"{role}.{modality}.parquet"),
        )
        folder = str(tmp_path / {"image_text": "clip", "audio_text": "clap"}[role])
        run(
            "data/embed",
            out,
            input={"manifest": manifest, "classes": []},
            wildcards={"media": "folder", "role": role, "modality": modality},
            params={
                "model": {"library": "precomputed", "model": "any", "weights": folder},
                "batch": 2,
                "max_failed": max_failed,
                "shards": str(tmp_path / "shards"),
            },
        )
        return out

    outputs = [embed(role, modality, 0.4) for role, modality in made]
    for out, store in zip(outputs, made.values(), strict=True):
        assert torch.equal(read_store(out.store).embeddings, store.embeddings)
    assert pd.read_parquet(outputs[2].failures)["id"].tolist() == ["b"]
    assert not (tmp_path / "shards").exists()
    with pytest.raises(InputError, match="1 of 3 items could not be read"):
        embed("audio_text", "audio", 0.3)

    items = str(tmp_path / "items.parquet")
    stores = [out.store for out in outputs]
    run("data/list", Files(items=items), input={"manifest": manifest, "classes": [], "stores": stores})
    found = pd.read_parquet(items)
    media = [[name, modality, False] for modality in ("audio", "image") for name in ("a", "c")]
    assert found[["id", "modality", "bank"]].to_numpy().tolist() == media + [[text, "text", True] for text in texts]


@pytest.mark.parametrize(
    ("table", "files", "rows"),
    [
        ("classes", ["audioset/ontology.json"], 632),
        ("labels", ["audioset/class_labels_indices.csv"], 527),
        ("clips", ["audioset/eval_segments.csv", "audioset/ontology.json"], 20_371),
        ("captions", ["audiocaps/train.csv", "audiocaps/val.csv", "audiocaps/test.csv"], 57_188),
    ],
)
def test_the_tables_of_the_published_files(table, files, rows, tmp_path, run):
    receipts = []
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        shutil.copy(mirrored(f"data/{name}"), path)
        receipts.append(str(tmp_path / f"{path.stem}.json"))
        (tmp_path / f"{path.stem}.json").write_text(json.dumps({"path": str(path)}))
    out = str(tmp_path / "table.parquet")
    run("data/tabulate", Files(table=out), input={"receipts": receipts}, wildcards={"table": table})
    assert pq.read_metadata(out).num_rows == rows
