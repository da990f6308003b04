"""The examples of the documentation run, one after the other, as a reader would run them."""

import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from command import run
from PIL import Image
from safetensors.torch import save
from small_models import TINY, cache, published, saved, small_clap, small_roberta, tiny_clip

from ucl.distilled import distil
from ucl.distilled.training import Settings
from ucl.files import read_json
from ucl.media import hub
from ucl.media.encoders import load_encoders
from ucl.media.store import read_store

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_examples(page: str, count: int) -> dict[str, Any]:
    """What the examples of a page have defined in the end."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == count
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return names


def test_the_examples_of_the_bridge_agree() -> None:
    names = run_examples("bridge.md", 5)
    expected = names["result"].scores
    tolerance = 2 * 5e-7 * 118.6  # of two answers, each within it
    assert np.abs(names["whole"].scores - expected).max() <= tolerance
    assert np.abs(names["scores"] - expected[:1]).max() <= tolerance
    assert np.array_equal(names["best"].indices, np.argsort(-expected, axis=1)[:, :3])


def test_the_examples_of_the_diagnosis_join_two_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distil, "Settings", partial(Settings, steps=40))  # the distilled bridge among the methods
    names = run_examples("diagnose.md", 2)
    assert names["found"].verdict == names["surer"].verdict == "bridge"
    assert names["surer"].known.p_value > 0.01


def test_the_page_on_the_diagnosis_says_what_was_measured() -> None:
    page, metrics = (DOCS / "diagnose.md").read_text(), read_json(DOCS.parent / "reports/metrics/diagnosis.json")
    regrets = [choice["regret"] for choice in metrics["choice"].values()]
    assert f"loses {sum(regrets) / len(regrets):.3f} of Recall@1" in page
    assert f"and {max(regrets):.3f} in the worst world" in page
    assert f"off by {metrics['predicted']['mean_absolute_error']:.3f} on average" in page
    assert f"{metrics['predicted']['coverage']:.0%} of".replace("%", " %") in page
    assert read_json(DOCS.parent / "reports/headlines/diagnosis.json")["wrong_direct"] == 0


def test_the_examples_of_the_check_find_what_is_wrong() -> None:
    names = run_examples("check.md", 1)
    assert names["found"]["order"].level == "ok"
    assert names["shuffled"]["order"].level == "error"


@pytest.mark.filterwarnings("ignore::ucl.distilled.report.WeakStudentWarning")  # of noise there is little to learn
def test_the_examples_of_the_distilled_bridge_agree() -> None:
    names = run_examples("distilled.md", 4)
    assert names["found"].ids == names["again"].ids
    assert set(names["best"]) == set(np.asarray(names["found"].indices)[0])


def test_the_examples_of_the_maze_leave_walks_and_an_animation(tmp_path: Path) -> None:
    assert run_examples("maze.md", 8)["walks"].lengths.shape == (100,)
    assert (tmp_path / "walk.gif").stat().st_size > 1000


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models that the page on media names, small, in the hub's cache: ViT-B-32 of another width and depth."""
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    clip = tiny_clip()
    monkeypatch.setitem(sys.modules["open_clip"].factory._MODEL_CONFIGS, "ViT-B-32", TINY)
    cache(
        tmp_path / "hub",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        {"open_clip_model.safetensors": save(clip.state_dict())},
    )
    cache(tmp_path / "hub", "roberta-base", small_roberta(tmp_path))
    cache(tmp_path / "hub", "lukewys/laion_clap", {"630k-audioset-best.pt": saved(published(small_clap()), tmp_path)})


def walk(page: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the commands that a page begins with; how many."""
    first = (DOCS / page).read_text(encoding="utf-8").partition("    ucl ")
    commands = [line.split()[1:] for line in (first[1] + first[2]).partition("\n\n")[0].splitlines()]
    for words in commands:
        assert run(monkeypatch, *words) == 0
    return len(commands)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's old readers
def test_the_page_on_media_leads_from_two_folders_to_a_page(models: None, monkeypatch, capsys) -> None:
    rng = np.random.default_rng(1)
    Path("photos/trip").mkdir(parents=True)
    Path("sounds").mkdir()
    for name in ("dog.jpg", "trip/tram.png", "trip/rain.webp"):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(Path("photos", name))
    for name in ("bark.wav", "bell.flac"):
        soundfile.write(Path("sounds", name), rng.normal(0, 0.1, 48_000), 48_000)
    texts = [
        f"{what} in {where}" for what in ("a dog", "rain", "a tram") for where in ("a street", "a yard", "the hills")
    ]
    Path("captions.txt").write_text("\n".join(texts))
    assert walk("media.md", monkeypatch) == 5
    rows = capsys.readouterr().out.splitlines()[-6:]
    assert [row.split()[:2] for row in rows] == [[x, str(k)] for x in ("bark.wav", "bell.flac") for k in (1, 2, 3)]
    # The oracle: the embeddings, the scales that the checkpoints were made with, and the formula.
    clap, clip, photos = (read_store(f"{x}.parquet") for x in ("captions.clap", "captions.clip", "photos"))
    query = load_encoders("laion_clap", "HTSAT-tiny", "630k-audioset-best.pt", torch.device("cpu"))["audio"]
    sounds = query.encode([Path("sounds/bark.wav"), Path("sounds/bell.flac")]).double()
    s, t = 18.6 * sounds @ clap.embeddings.double().T, 43.5 * photos.embeddings.double() @ clip.embeddings.double().T
    scores = (s[:, None] + t).logsumexp(2) - s.logsumexp(1)[:, None] - t.logsumexp(1) + np.log(len(texts))
    for i, sound in enumerate(("bark.wav", "bell.flac")):
        found = {row.split()[2]: float(row.split()[3]) for row in rows if row.startswith(sound)}
        assert found == pytest.approx(dict(zip(photos.ids, scores[i].tolist(), strict=True)), abs=1e-3)
    page = Path("answers.html").read_text(encoding="utf-8")
    assert (page.count("<audio"), page.count("<img"), page.count('class="why"')) == (2, 6, 6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's old readers
def test_the_examples_of_the_page_on_media(models: None, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write("dog.wav", rng.normal(0, 0.1, 16_000), 16_000)
    for name in ("dog.jpg", "tram.jpg"):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(name)
    names = run_examples("media.md", 2)
    store = read_store("folder/audio.parquet")
    assert (store.ids, store.info) == (names["ids"], names["info"])
    assert torch.equal(store.embeddings, names["embeddings"])
    assert names["scores"].shape == (1, 2)
    assert names["bridge"].ab.scale == pytest.approx(18.6)
    assert names["bridge"].bc.scale == pytest.approx(43.5)
