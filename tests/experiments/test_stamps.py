"""Suite `stamps` on a tiny world that is made here: the protocols against sums written out, and what is kept apart."""

import math
from functools import partial

import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from ucl.distilled import distil
from ucl.distilled.training import Settings
from ucl.experiments.bridging import stamps, stamps_gallery, summary
from ucl.experiments.bridging.figures import draw_tables
from ucl.experiments.bridging.stamps_training import SPOKEN, split_stamps, train_spoken
from ucl.files import write_parquet
from ucl.runtime import generator
from ucl.stamps.features import Features
from ucl.stamps.models import build
from ucl.stamps.towers import Classes
from ucl.stamps.world import load_world

COUNT = 70
TRAINING = {
    "width": 8,
    "hidden": 8,
    "steps": 20,
    "batch": 16,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "pseudo": 1.0,
}
SECTION = {
    "test": 10, "validation": 8, "image": 0.5, "folds": 3, "candidates": 6, "image_text": TRAINING, "audio": TRAINING,
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Stamps of one thing each; every third makes a sound; three of them share a group."""
    folder, draws = tmp_path_factory.mktemp("stamps"), generator(1)
    Image.new("RGB", (8, 8), "red").save(folder / "a.png")
    (folder / "a.ogg").write_bytes(b"sound")
    names = [f"s{i:02d}" for i in range(COUNT)]
    items = pd.DataFrame({"name": names, "group": ["s00", "s00", "s00", *names[3:]]})
    items["caption"] = [f"Thing {name}." for name in names]
    items["spoken"] = [f"Chose {name}." for name in names]
    items["image"], items["speech"] = str(folder / "a.png"), str(folder / "a.ogg")
    items["sound"] = [str(folder / "a.ogg") if i % 3 == 0 else None for i in range(COUNT)]

    def rows(width, names=names):
        return dict(zip(names, torch.randn(len(names), width, generator=draws), strict=True))

    classes = Classes(*(torch.randn(12, *shape, generator=draws) for shape in ((20,), (), (384,))))
    sentences = {text: normalize(row, dim=-1) for text, row in rows(384, list(items["caption"])).items()}
    features = {
        "image": Features(rows(20), classes, {}),
        "sound": Features(rows(20, names[::3]), classes, {}),
        "text": Features(sentences, None, {}),
        "speech": Features({name: torch.randn(6, 96, generator=draws) for name in names}, None, {}),
    }
    return load_world(items, features)


@pytest.fixture(scope="module")
def models(world):
    return train_spoken(world, SECTION, 0)


def test_models_of_a_bridge_and_tests_share_no_group(world):
    parts = split_stamps(world, SECTION, 3)
    groups = {part: {world.groups[name] for name in names} for part, names in parts.items()}
    assert sum(map(len, parts.values())) == COUNT
    assert len(set().union(*groups.values())) == sum(map(len, groups.values())) == COUNT - 2


def test_banks_and_queries_are_what_the_protocols_say(world, models):
    parts = split_stamps(world, SECTION, 0)
    cases = {case.protocol: case for case in stamps.spoken_cases(world, models, SECTION, 0)}
    banks = {protocol: set(map(str, case.bank.ids.to_pylist())) for protocol, case in cases.items()}
    training = {*parts["image"], *parts["speech"]}
    assert set(cases["new_words"].names) == set(cases["new_words_unlisted"].names) == set(parts["test"])
    assert set(cases["heard_words"].names) == set(parts["speech"])
    assert banks == {"new_words": set(world.groups), "new_words_unlisted": training, "heard_words": training}
    assert cases["heard_words"].supervised is None  # that model saw these pairs


def test_what_somebody_says_is_no_sound_effect(world, models, monkeypatch):
    """In the table and on the page to hear alike: both take the case from here."""
    monkeypatch.setattr(stamps, "SAID", "s0")
    untrained = build("sound_text", 8, 8, world.classes)
    case = stamps.never_trained_case(world, untrained, models["image_text"], world.groups)
    assert case.names == [f"s{i}" for i in range(12, COUNT, 3)]


def test_scores_are_sums_over_the_bank(world, models):
    case = next(stamps.spoken_cases(world, models, SECTION, 0))
    found = dict(stamps.answers(stamps_gallery.replace(case, samples=None), 0))
    for_a, for_c = case.bank.for_a.read(0, len(case.bank)), case.bank.for_c.read(0, len(case.bank))
    s, t = (models[name].scale.item() for name in ("audio_text", "image_text"))
    for i, j in ((0, 0), (2, 5)):
        terms = [s * float(case.a[i] @ b) + t * float(case.c[j] @ d) for b, d in zip(for_a, for_c, strict=True)]
        exact = math.log(sum(map(math.exp, terms)) / len(terms))
        assert float(found["monte_carlo"][i, j]) == pytest.approx(exact, abs=1e-4)
        hop = max(range(len(terms)), key=lambda row: float(case.a[i] @ for_a[row]))
        assert float(found["one_hop"][i, j]) == pytest.approx(t * float(case.c[j] @ for_c[hop]), abs=1e-4)
    assert not torch.allclose(found["shuffled"], found["monte_carlo"], atol=1e-4)
    assert torch.allclose(found["direct"], case.a @ case.c.T, atol=1e-5)


def test_every_protocol_has_every_method_and_goes_to_the_report(world, models, tmp_path, monkeypatch):
    monkeypatch.setattr(distil, "Settings", partial(Settings, steps=20))
    spoken = stamps.score_spoken(world, models, SECTION, 2, 0)
    sounds, made = stamps.score_sounds(world, SECTION, 2, 0)
    assert set(made) == {"sound_text"}
    everything = pd.concat([spoken, sounds])
    assert everything["recall_at_1"].between(0, 1).all()
    asked = {"direct", "monte_carlo", "monte_carlo_normalized", "one_hop", "shuffled", "image_to_text", "audio_to_text"}
    for task, extra in (
        ("new_words", {"distilled", "supervised"}),
        ("heard_words", {"distilled"}),
        ("sounds", {"supervised"}),
    ):
        assert set(everything.loc[everything["task"] == task, "method"]) == asked | extra
    folds = everything[everything["task"] == "sounds"]
    assert set(folds["queries"]) == {24}
    assert set(folds["candidates"]) == {8}
    for seed in (0, 1):
        write_parquet(everything, tmp_path / f"stamps/seed{seed}/spoken.parquet")
    files = {name: [] for name in ("recall", "banks", "uniformity", "losses")}
    items = tmp_path / "stamps/items.parquet"
    write_parquet(world.items, items)
    collected = summary.collect(
        files | {"table": [items], "stamps": sorted(tmp_path.glob("stamps/seed*/*.parquet"))}, {}
    )
    entry = collected.metrics["stamps"]["new_words"]["monte_carlo"]
    assert set(entry) == {"recall_at_1", "recall_at_5", "ci95", "candidates", "splits"}
    assert entry["splits"] == 2
    expected = spoken.set_index(["task", "method"]).loc[("new_words", "monte_carlo"), "recall_at_1"]
    assert entry["recall_at_1"] == pytest.approx(expected)
    draw_tables(collected.frames["recall"], collected.frames["banks"], tmp_path)
    assert (tmp_path / "bridging_stamps.svg").exists()


def test_the_gallery_shows_queries_with_what_was_found(world, models, tmp_path):
    case = next(stamps.spoken_cases(world, models, SECTION, 0))
    shown = stamps_gallery.choose(case, world.groups, 6, 2, 0)
    stamps_gallery.render({case.protocol: shown}, world.items, 6, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<article>") == page.count("<audio ") == 2
    assert page.count("<figure ") == 2 * 5 * len(shown[0].found)
    assert all(0 < share <= 1 for one in shown for _, share in one.carriers)


def test_training_is_the_same_for_a_seed(world, models):
    again = train_spoken(world, SECTION, 0)
    assert set(again) == set(SPOKEN)
    for name, model in models.items():
        assert all(torch.equal(v, again[name].state_dict()[k]) for k, v in model.state_dict().items())
