"""Suites of real media: their items, and what is missing said before anything runs."""

import os
import subprocess
import sys

import pyarrow as pa
import pytest
import torch
from mirror import ROOT

from ucl.errors import InputError
from ucl.experiments.bridging.config import PretrainedModel
from ucl.experiments.bridging.scoring import evaluate
from ucl.experiments.bridging.suite import read_suite
from ucl.experiments.params import load_params
from ucl.files import write_parquet
from ucl.media import hub, requirements
from ucl.media.base import EncoderInfo
from ucl.media.manifest import bank_texts, suite_items
from ucl.media.requirements import missing_data, missing_media, missing_weights
from ucl.media.store import Store, write_store


def test_items_are_what_every_model_could_embed():
    manifest = pa.table({"id": ["a", "b"], "audio": ["", ""], "image": ["", ""], "text": ["rain", "rain"]})
    texts = bank_texts(manifest)
    assert list(texts.values()) == ["rain"]
    (rain,) = texts
    embedded = {"audio": [["c", "a", "b"], ["a", "b", "c"]], "image": [["a", "b"]], "text": [[rain], [rain]]}
    items = suite_items(texts, embedded)
    assert items["label"].isna().tolist() == [False] * 4 + [True]
    assert items.fillna("none").to_numpy().tolist() == [
        ["a", "audio", "test", "a", False, "a"],
        ["b", "audio", "test", "b", False, "b"],
        ["a", "image", "test", "a", False, "a"],
        ["b", "image", "test", "b", False, "b"],
        [rain, "text", "test", "none", True, "rain"],
    ]
    classes = pa.table({"id": ["/m/x"], "description": ["A bark."]})
    assert bank_texts(manifest, classes) == {"/m/x": "A bark."}
    with pytest.raises(InputError, match="embedded by every model"):
        suite_items(texts, {**embedded, "image": [["z"]]})


@pytest.fixture
def cut_off(tmp_path, monkeypatch):
    """No host answers and nothing is cached."""
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "reachable", lambda url, seconds=2.0: False)
    return tmp_path


def test_what_audioset_lacks_is_one_line_each(cut_off):
    media = load_params(ROOT / "params.yaml").media
    root = cut_off / "checkout"
    for name in ("ontology.json", "eval_segments.csv"):
        (root / "data" / "audioset").mkdir(parents=True, exist_ok=True)
        (root / "data" / "audioset" / f"{name}.dvc").write_bytes((ROOT / "data/audioset" / f"{name}.dvc").read_bytes())
    lines = missing_media(
        media.models().values(), "audioset", root, manifest=media.manifest, fetched=False, remote=False
    )
    starts = [
        "laion/CLIP-ViT-B-32",
        "lukewys/laion_clap",
        "roberta-base",
        "ontology.json",
        "eval_segments.csv",
        "youtube",
    ]
    for start in starts:
        (line,) = (line for line in lines if start in line.split(": ", 1)[0])
        assert "\n" not in line
    ready = missing_media(media.models().values(), "audioset", root, manifest=media.manifest, fetched=True, remote=True)
    assert [line.split(":")[0] for line in ready] == [
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "lukewys/laion_clap",
        "roberta-base",
    ]


def test_what_folder_lacks(cut_off):
    media = load_params(ROOT / "params.yaml").media.model_copy(update={"manifest": str(cut_off / "m.csv")})
    assert any(
        "m.csv: no such manifest" in line
        for line in missing_media(
            media.models().values(), "folder", ROOT, manifest=media.manifest, fetched=False, remote=False
        )
    )
    joint = PretrainedModel(library="imagebind", model="imagebind_huge", weights=None)
    assert missing_weights(joint)[0].startswith("imagebind: not installed; pip install git+")
    local = PretrainedModel(library="open_clip", model="ViT-B-32", weights=str(cut_off))
    assert missing_weights(local) == []


def test_data_that_are_here_or_in_reach_are_not_missing(cut_off, monkeypatch):
    pointer = cut_off / "f.csv.dvc"
    pointer.write_text(
        "outs:\n- {md5: d41d8cd98f00b204e9800998ecf8427e, size: 0, path: f.csv}\ndeps: [{path: http://h/f}]\n"
    )
    assert len(missing_data(pointer, remote=False)) == 1
    assert missing_data(pointer, remote=True) == []
    (cut_off / "f.csv").touch()
    assert missing_data(pointer, remote=False) == []
    (cut_off / "f.csv").unlink()
    monkeypatch.setattr(hub, "reachable", lambda url, seconds=2.0: url == "http://h/f")
    assert missing_data(pointer, remote=False) == []


def test_the_table_of_open_clip_tags_is_open_clips_own():
    import open_clip

    for (model, tag), repo in requirements.OPEN_CLIP_TAGS.items():
        assert open_clip.pretrained.get_pretrained_cfg(model, tag)["hf_hub"].rstrip("/") == repo


def test_a_host_that_does_not_answer_is_given_up_soon():
    assert not hub.reachable("http://127.0.0.1:9")  # the discard port: refused
    assert not hub.reachable("https://no-such-host.invalid", seconds=0.5)


def test_snakemake_stops_before_any_job_and_names_what_is_missing(tmp_path):
    """The whole command, on a machine whose hub is switched off."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    target = "results/bridging/audioset/items.parquet"
    done = subprocess.run([*command, "--cores", "1", target], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    for start in ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K: ", "lukewys/laion_clap: ", "roberta-base: "):
        assert sum(line.startswith(start) for line in lines) == 1
    assert not (tmp_path / "results/bridging").exists()


def test_a_suite_of_real_media_is_evaluated_on_the_pairs_it_has(tmp_path):
    """Three embeddings on the axes of a space, so that the right image is certain and the direct comparison is not."""
    names, texts = [f"c{i}" for i in range(4)], {f"t{i}": f"text {i}" for i in range(4)}
    axes, turned = torch.eye(4), torch.eye(4).roll(1, 0)
    for role, modality, ids, rows, scale in (
        ("image_text", "image", names, axes, 30.0),
        ("image_text", "text", list(texts), axes, 30.0),
        ("audio_text", "audio", names, turned, 20.0),
        ("audio_text", "text", list(texts), turned, 20.0),
    ):
        info = EncoderInfo(role, modality, 4, True, scale, f"digest of {role}")
        write_store(Store(info, ids, rows), tmp_path / f"{role}.{modality}.parquet")
    embedded = {"audio": [names], "image": [names], "text": [list(texts)]}
    write_parquet(suite_items(texts, embedded), tmp_path / "items" / "items.parquet")
    suite = read_suite(tmp_path / "items" / "items.parquet", tmp_path)
    found = evaluate(suite, [4], draws=2, seed=0).set_index(["task", "method"])["recall_at_1"]
    assert found.to_dict() == {
        ("audio_to_image", "direct_disparate"): 0.0,
        ("audio_to_image", "monte_carlo_disparate"): 1.0,
        ("image_to_audio", "direct_disparate"): 0.0,
        ("image_to_audio", "monte_carlo_disparate"): 1.0,
    }
