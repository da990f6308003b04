"""Towers, losses and files of the models of stamps: against sums written out, and through a file and back."""

import math
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity, normalize

from ucl.errors import InputError
from ucl.media.encoders import load_encoders
from ucl.runtime import generator
from ucl.stamps.features import Features, read_features, write_features
from ucl.stamps.models import FROZEN, MODELS, build, load_model, save_model
from ucl.stamps.towers import LONGEST, Classes, Sequences, letters, pad_rows
from ucl.stamps.training import Recipe, Side, embed, judge_pairs, pair_loss, pseudo_loss, train

RECIPE = Recipe(width=8, hidden=16, steps=60, batch=12, learning_rate=0.01, weight_decay=0.0, pseudo=1.0)


def made_classes(count: int = 12, width: int = 20) -> Classes:
    draws = generator(3)
    weight, bias = torch.randn(count, width, generator=draws), torch.randn(count, generator=draws)
    return Classes(weight, bias, normalize(torch.randn(count, 384, generator=draws), dim=-1))


def test_a_description_is_the_features_and_the_best_classes_names():
    classes, features = made_classes(), torch.randn(1, 20, generator=generator(4))
    (row,) = classes.describe(features)
    scores = [float(w @ features[0] + b) for w, b in zip(classes.weight, classes.bias, strict=True)]
    best = sorted(range(12), key=lambda i: -scores[i])[:10]
    words = sum(math.exp(scores[i]) * classes.names[i] for i in best)
    assert float(cosine_similarity(row[20:], words, dim=0)) == pytest.approx(1, abs=1e-5)
    assert float(row[:20].mean()) == pytest.approx(0, abs=1e-5)
    assert float(row[:20].var(correction=0)) == pytest.approx(1, abs=1e-4)


@settings(max_examples=10)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 100))
def test_what_stands_after_a_sequence_changes_nothing(lengths, seed):
    torch.manual_seed(seed)
    tower, rows = Sequences(5, 4, 6).eval(), [torch.randn(n, 5) for n in lengths]
    together = tower(*pad_rows(rows))
    alone = torch.cat([tower(*pad_rows([row])) for row in rows])
    assert torch.allclose(together, alone, atol=1e-6)


def test_letters_spell_any_script_in_latin():
    assert torch.equal(letters("Été!"), letters("ete!"))
    assert torch.equal(letters("Жаба"), letters("zhaba"))
    assert len(letters("")) == 1
    assert len(letters("x" * 200)) == LONGEST


def test_pairs_that_can_be_told_apart_are_learned():
    """Sentences are rotated features: InfoNCE over 12 groups falls from log 12 to next to nothing."""
    classes, draws = made_classes(), generator(5)
    features = torch.randn(12, 20, generator=draws)
    sentences = normalize(features @ torch.randn(20, 384, generator=draws), dim=-1)
    names = [f"s{i}" for i in range(12)]
    described = dict(zip(names, classes.describe(features), strict=True))
    sides = Side(described, False), Side(dict(zip(names, sentences, strict=True)), False)
    torch.manual_seed(0)
    model = build("image_text", 8, 16, {"image": classes})
    pairs = pair_loss(model, sides, {name: [name] for name in names}, 12)
    pseudo = pseudo_loss(model, classes, 12)
    judge = judge_pairs(model, sides, names)
    x, y = embed(model.x, sides[0], names), embed(model.y, sides[1], names)
    logits = model.scale.detach() * x @ y.T
    expected = -sum(logits.log_softmax(d).diagonal().mean() for d in (0, 1)) / 2
    assert judge() == pytest.approx(float(expected), abs=1e-5)
    train(model, lambda random: pairs(random) + pseudo(random), judge, RECIPE, generator(6))
    assert judge() < 0.3 * math.log(12)


def made_weights(folder):
    folder.mkdir()
    for name in {file for files in FROZEN.values() for file in files}:
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_from_its_file(name, tmp_path):
    weights, classes = made_weights(tmp_path / "weights"), made_classes()
    torch.manual_seed(1)
    model = build(name, 8, 16, {"image": classes, "sound": classes}).eval()
    save_model(name, model, RECIPE, weights, tmp_path / "models" / f"{name}.safetensors")
    again, found = load_model(name, tmp_path / "models")
    assert found.resolve() == weights
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    shutil.rmtree(weights)
    if any(FROZEN[kind] for kind in MODELS[name]):
        with pytest.raises(InputError, match=r"not the file of md5 .* that .* was trained on; fetch it again"):
            load_model(name, tmp_path / "models")


def test_a_missing_model_says_how_to_train_it(tmp_path):
    cpu = torch.device("cpu")
    with pytest.raises(InputError, match=r"no such model; train it: put stamps into bridging.suites"):
        load_encoders("stamps", "image_text", str(tmp_path), cpu)
    with pytest.raises(InputError, match="stamps has no model 'clip'; allowed: image_text, audio_text"):
        load_encoders("stamps", "clip", str(tmp_path), cpu)
    with pytest.raises(InputError, match="needs the folder of its files"):
        load_encoders("stamps", "image_text", None, cpu)


def test_features_come_back_from_their_file(tmp_path):
    draws = generator(7)
    for shape, classes in (((), made_classes()), ((3,), None)):
        rows = {name: torch.randn(*shape, 20, generator=draws) for name in ("a", "b")}
        write_features(Features(rows, classes, {"c": "silent"}), tmp_path / "f.safetensors")
        found = read_features(tmp_path / "f.safetensors")
        assert all(torch.equal(found.rows[name], row) for name, row in rows.items())
        assert found.failed == {"c": "silent"}
        assert (found.classes is None) == (classes is None)
