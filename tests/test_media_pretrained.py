"""Scores and recall of pretrained models against sums written out, and what is missing before anything runs."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from mirror import ROOT

from ucl.config import PretrainedModel, load_params
from ucl.errors import InputError
from ucl.media import hub, requirements
from ucl.media.base import EncoderInfo
from ucl.media.pretrained import measure_recall, score_pretrained
from ucl.media.requirements import missing_data, missing_media, missing_weights
from ucl.media.store import Store
from ucl.metrics import expected_rank

DRAW = torch.Generator().manual_seed(3)


def store(model, modality, ids, width, scale):
    rows = torch.nn.functional.normalize(torch.randn(len(ids), width, generator=DRAW, dtype=torch.float64), dim=1)
    return Store(EncoderInfo(model, modality, width, True, scale, f"digest of {model}"), ids, rows.float())


def models(width_audio=6, scale_image=(20.0, 20.0)):
    clips, texts = [f"c{i}" for i in range(12)], [f"t{i}" for i in range(7)]
    return (
        {"image": store("clip", "image", clips, 6, 9.0), "text": store("clip", "text", texts, 6, 9.0)},
        {
            "audio": store("clap", "audio", clips[::-1], width_audio, 5.0),
            "text": store("clap", "text", texts[:6], width_audio, 5.0),
        },
        {
            "bind": {
                "audio": store("bind", "audio", clips[1:], 8, scale_image[0]),
                "image": store("bind", "image", clips, 8, scale_image[1]),
                "text": store("bind", "text", texts, 8, None),
            }
        },
    )


def log_mean_exp(audio, text_audio, text_image, image, scale_audio, scale_image):
    """Lemma 1's estimate, item by item."""
    scores = torch.zeros(len(audio), len(image), dtype=torch.float64)
    for i, a in enumerate(audio.double()):
        for j, c in enumerate(image.double()):
            terms = [
                math.exp(scale_audio * float(a @ s.double()) + scale_image * float(t.double() @ c))
                for s, t in zip(text_audio, text_image, strict=True)
            ]
            scores[i, j] = math.log(sum(terms) / len(terms))
    return scores


def test_every_method_against_the_sums_written_out():
    image_text, audio_text, joint = models()
    found = score_pretrained(image_text, audio_text, joint).set_index("method")["scores"]
    clips, texts = [f"c{i}" for i in range(1, 12)], [f"t{i}" for i in range(6)]  # what every model has
    audio, image = audio_text["audio"].select(clips).embeddings, image_text["image"].select(clips).embeddings
    through = [audio_text["text"].select(texts).embeddings, image_text["text"].select(texts).embeddings]
    bind = {name: part.select(texts if name == "text" else clips).embeddings for name, part in joint["bind"].items()}
    expected = {
        "direct_disparate": (audio @ image.T).double(),
        "monte_carlo_disparate": log_mean_exp(audio, *through, image, 5.0, 9.0),
        "direct_joint": (bind["audio"] @ bind["image"].T).double(),
        "monte_carlo_joint": log_mean_exp(bind["audio"], bind["text"], bind["text"], bind["image"], 20.0, 20.0),
    }
    assert sorted(found.index) == sorted(expected)
    for method, scores in expected.items():
        assert torch.allclose(found[method].double(), scores, atol=2e-5), method


def test_spaces_of_different_sizes_have_no_direct_comparison():
    image_text, audio_text, _ = models(width_audio=4)
    assert score_pretrained(image_text, audio_text, {})["method"].tolist() == ["monte_carlo_disparate"]


def test_a_joint_model_with_images_in_the_middle_is_the_ground_truth():
    image_text, audio_text, joint = models(scale_image=(20.0, None))
    found = score_pretrained(image_text, audio_text, joint)
    assert found["method"].tolist() == ["direct_disparate", "monte_carlo_disparate", "ground_truth"]


def test_models_with_nothing_in_common_are_told():
    image_text, audio_text, _ = models()
    audio_text["audio"] = store("clap", "audio", ["other"], 6, 5.0)
    with pytest.raises(InputError, match="no item was embedded by every model"):
        score_pretrained(image_text, audio_text, {})


def test_recall_among_all_is_the_plain_recall():
    scores = torch.randn(30, 30, generator=DRAW) + 2 * torch.eye(30)
    scores[3, 4] = scores[3, 3]  # a tie
    table = measure_recall(scores, candidates=30, draws=2).set_index(["task", "k"])
    for task, matrix in (("audio_to_image", scores), ("image_to_audio", scores.T)):
        for k in (1, 5, 10):
            hits = (expected_rank(matrix) <= k).double()
            assert table.loc[(task, k), "recall"] == pytest.approx(float(hits.mean()))
            assert table.loc[(task, k), "ci95"] == pytest.approx(1.96 * float(hits.std()) / 30**0.5)
    assert set(table["candidates"]) == set(table["queries"]) == {30}


def test_recall_among_few_is_at_chance_for_noise_and_sure_for_certainty():
    noise = torch.randn(400, 400, generator=DRAW)
    table = measure_recall(noise, candidates=10, draws=20)
    at_1 = table[table["k"] == 1]
    assert (at_1["recall"] - 0.1).abs().max() < 0.02
    assert table[table["k"] == 10]["recall"].eq(1).all()
    sure = measure_recall(torch.eye(23), candidates=5, draws=3)
    assert isinstance(sure, pd.DataFrame)
    assert sure["recall"].eq(1).all()
    with pytest.raises(InputError, match=r"media\.candidates = 24: more than the 23 clips"):
        measure_recall(torch.eye(23), candidates=24, draws=3)


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
    lines = missing_media(media, "audioset", root, fetched=False, remote=False)
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
    ready = missing_media(media, "audioset", root, fetched=True, remote=True)
    assert [line.split(":")[0] for line in ready] == [
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "lukewys/laion_clap",
        "roberta-base",
    ]


def test_what_folder_lacks(cut_off):
    media = load_params(ROOT / "params.yaml").media.model_copy(update={"manifest": str(cut_off / "m.csv")})
    assert any(
        "m.csv: no such manifest" in line for line in missing_media(media, "folder", ROOT, fetched=False, remote=False)
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
    target = "results/bridging/audioset/recall.parquet"
    done = subprocess.run([*command, "--cores", "1", target], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    for start in ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K: ", "lukewys/laion_clap: ", "roberta-base: "):
        assert sum(line.startswith(start) for line in lines) == 1
    assert not Path(tmp_path / "results").exists()
