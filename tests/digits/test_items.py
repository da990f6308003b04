"""The grammar's meanings, the joint distribution of pairs, splits, and the towers that learn from them."""

import io
import re

import numpy as np
import open_clip
import pandas as pd
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ucl.digits import items as digits
from ucl.digits import models as trained
from ucl.digits.grammar import NUMBER_WORDS, PROPERTIES, grammar
from ucl.errors import InputError
from ucl.media.audio import BANDS, FRAMES, HOP, RATE, log_mel
from ucl.media.base import pair_scale
from ucl.runtime import generator

CLIPS = "data/digits/clips.parquet"
VOICES = {"validation_voices": ["m5", "f4"], "test_voices": ["m1", "m3", "f5"]}


@pytest.fixture(scope="module")
def world():
    return {
        "image": digits.load_images(),
        "text": digits.load_phrases(),
        "audio": digits.load_speech(CLIPS, **VOICES),
    }


# --- the grammar ---


def number(word: str) -> int:
    return NUMBER_WORDS["en"].index(word)


def meaning(text: str) -> set[int]:
    """A second reading of the English phrases: a predicate per pattern, tried on every digit."""
    words = "|".join(NUMBER_WORDS["en"])
    having = {
        "a number": lambda d: True,
        "an odd number": lambda d: d % 2 == 1,
        "an even number": lambda d: d % 2 == 0,
        "a prime number": lambda d: d > 1 and all(d % q for q in range(2, d)),
        "a square number": lambda d: int(d**0.5) ** 2 == d,
        "a multiple of three": lambda d: d % 3 == 0,
    }
    patterns = {
        rf"({words})": lambda d, a: d == a,
        rf"the (?:number|digit) ({words})": lambda d, a: d == a,
        rf"({words}) plus ({words})": lambda d, a, b: d == a + b,
        rf"({words}) minus ({words})": lambda d, a, b: d == a - b,
        rf"the number after ({words})": lambda d, a: d - 1 == a,
        rf"the number before ({words})": lambda d, a: d + 1 == a,
        rf"twice ({words})": lambda d, a: d == 2 * a,
    }
    ranges = {
        "": lambda d: True,
        rf" above ({words})": lambda d, a: d > a,
        rf" below ({words})": lambda d, a: d < a,
        rf" other than ({words})": lambda d, a: d != a,
        rf" from ({words}) to ({words})": lambda d, a, b: a <= d <= b,
    }
    for pattern, true_of in patterns.items():
        if match := re.fullmatch(pattern, text):
            return {d for d in range(10) if true_of(d, *map(number, match.groups()))}
    for name, has in having.items():
        for pattern, inside in ranges.items():
            if match := re.fullmatch(name + pattern, text):
                return {d for d in range(10) if has(d) and inside(d, *map(number, match.groups()))}
    raise AssertionError(text)


def test_phrases_mean_what_they_say():
    phrases = grammar()
    assert len({phrase.text for phrase in phrases}) == len(phrases) > 500
    for phrase in phrases:
        if phrase.language == "en":
            assert phrase.digits == meaning(phrase.text), phrase.text
        else:
            word = phrase.text.split()[-1]
            assert phrase.digits == {NUMBER_WORDS[phrase.language].index(word)}


def test_homographs_agree_and_every_digit_is_named_in_every_language():
    named = {phrase.text: phrase.digits for phrase in grammar()}
    for words in NUMBER_WORDS.values():
        assert len(set(words)) == 10
        for digit, word in enumerate(words):
            assert named[word] == {digit}
    assert named["an odd number above five"] == {7, 9}
    assert "an even number above eight" not in named
    assert set(PROPERTIES) <= set(named)


# --- items and splits ---


def test_shipped_clips_are_all_there_and_small(world):
    table = pd.read_parquet(CLIPS)
    assert len(table) == 600
    assert table.groupby(["digit", "language"]).size().eq(12).all()
    assert sum(map(len, table["audio"])) < 1_500_000
    samples, rate = soundfile.read(io.BytesIO(table["audio"][0]))
    assert rate == RATE
    assert 0.1 < len(samples) / rate < 1.5


def test_test_voices_are_never_trained_on(world):
    voice = np.array([name.split("_")[1] for name in world["audio"].ids])
    for split, voices in (("test", VOICES["test_voices"]), ("validation", VOICES["validation_voices"])):
        assert set(voice[world["audio"].rows(split)]) == set(voices)
    assert not set(voice[world["audio"].rows("train")]) & {*VOICES["test_voices"], *VOICES["validation_voices"]}


def test_what_is_tested_was_neither_tested_nor_validated_on_before(world):
    """The first split, whose test had been looked at: nothing of it but what it trained on may be tested now."""
    label = load_digits().target
    rest, tested = train_test_split(np.arange(len(label)), test_size=0.25, stratify=label, random_state=0)
    trained, validated = train_test_split(rest, test_size=0.2, stratify=label[rest], random_state=0)
    images = world["image"]
    assert set(images.rows("test").tolist()) <= set(trained)
    assert set(images.rows("validation").tolist()) == set(validated)
    assert set(tested) <= set(images.rows("train").tolist())
    for digit, count in enumerate(np.bincount(label)):
        mine = images.meaning[images.rows("test"), digit].sum()
        assert abs(int(mine) - count / 4) <= 1


def test_held_out_phrases_use_known_words(world):
    text = world["text"]
    seen = {word for i in text.rows("train").tolist() for word in text.source[i].split()}
    for i in text.rows("validation", "test").tolist():
        assert set(text.source[i].split()) <= seen
    tested = text.meaning[text.rows("test")]
    named = tested[tested.sum(1) == 1]
    assert named.sum(0).min() >= 2  # each digit has test phrases of its own


def test_tokens_end_in_the_largest(world):
    tokens = world["text"].content
    assert ((tokens == tokens.max()).sum(1) == 1).all()  # CLIP pools where the end token is
    assert len({tuple(row) for row in tokens.tolist()}) == len(tokens)


@pytest.mark.parametrize(
    ("validation", "test", "told"), [(["m5"], ["m5"], "m5"), (["nobody"], ["m5"], "nobody"), (["m5"], ["M7"], "M7")]
)
def test_unknown_or_shared_voices_are_refused(validation, test, told):
    with pytest.raises(InputError, match=rf"speakers .*{told}.*expected names out of"):
        digits.load_speech(CLIPS, validation, test)


def test_recordings_are_split_by_speaker_and_strange_names_refused(tmp_path):
    for digit in range(10):
        for speaker in ("ann", "bob", "eve"):
            soundfile.write(tmp_path / f"{digit}_{speaker}_0.wav", np.sin(np.arange(4000.0) / (3 + digit)), RATE)
    items = digits.load_recordings(tmp_path, ["bob"], ["eve"])
    assert {items.source[i] for i in items.rows("test").tolist()} == {"eve"}
    assert items.meaning.int().argmax(1).tolist() == [int(name[0]) for name in items.ids]
    assert torch.equal(
        digits.read_sound(tmp_path, items.ids[0])[:10], torch.tensor(_saved(tmp_path, items.ids[0])[:10])
    )
    soundfile.write(tmp_path / "seven_ann_0.wav", np.zeros(100), RATE)
    with pytest.raises(InputError, match=r"seven_ann_0\.wav"):
        digits.load_recordings(tmp_path, ["bob"], ["eve"])
    with pytest.raises(InputError, match="dvc pull"):
        digits.load_recordings(tmp_path / "nowhere", ["bob"], ["eve"])


def _saved(folder, name):
    return soundfile.read(folder / f"{name}.wav", dtype="float32")[0]


def test_items_survive_the_disk(world, tmp_path):
    digits.write_world(world, tmp_path / "items.parquet", tmp_path / "content.safetensors")
    again = digits.read_world(tmp_path / "items.parquet", tmp_path / "content.safetensors")
    for modality, items in world.items():
        other = again[modality]
        assert (items.ids, items.source) == (other.ids, other.source)
        assert torch.equal(items.content, other.content)
        assert torch.equal(items.meaning, other.meaning)
        assert (items.split == other.split).all()
    table = pd.read_parquet(tmp_path / "items.parquet").set_index("id")
    assert table.loc[list(world["text"].ids), "bank"].all()
    assert table["label"].isna().sum() == (world["text"].meaning.sum(1) > 1).sum()


# --- sound ---


@given(st.floats(200, 3500, allow_subnormal=False))
def test_a_tone_is_loudest_in_its_band(frequency):
    tone = torch.sin(2 * torch.pi * frequency * torch.arange(HOP * (FRAMES - 1)) / RATE)
    spectrum = log_mel(tone)
    assert spectrum.shape == (BANDS, FRAMES)
    assert spectrum.max() == pytest.approx(1, abs=1e-5)
    centres = torch.stack(
        [log_mel(torch.sin(2 * torch.pi * f * torch.arange(8000.0) / RATE))[:, 40] for f in (200, 3500)]
    )
    band = spectrum[:, 40].argmax()
    assert centres[0].argmax() <= band <= centres[1].argmax()


def test_loudness_does_not_matter_and_silence_fills_up():
    noise = torch.randn(2000, generator=generator(1))
    assert torch.allclose(log_mel(noise), log_mel(0.01 * noise), atol=1e-4)
    assert (log_mel(noise)[:, -10:] == -1).all()


# --- pairs ---


def test_pairs_follow_the_joint_distribution(world):
    """Chi-squared of (phrase size, digit) against the exact law; every pair agrees on a digit; training items only."""
    sampler = digits.PairSampler(world, generator(3))
    n = 20_000
    rows = sampler.sample(n, ("image", "text", "audio"))
    digit = world["image"].meaning[rows["image"]].int().argmax(1)
    assert torch.equal(digit, world["audio"].meaning[rows["audio"]].int().argmax(1))
    assert world["text"].meaning[rows["text"], digit].all()
    for modality, chosen in rows.items():
        assert set(world[modality].split[chosen.numpy()]) == {"train"}
    meant = world["text"].meaning[world["text"].rows("train")].double()
    expected = (meant / meant.sum(1, keepdim=True)).mean(0)
    counted = torch.bincount(digit, minlength=10)
    chi_squared = ((counted - n * expected).square() / (n * expected)).sum()
    assert chi_squared < 33.7  # the 1e-4 quantile at 9 degrees of freedom


def test_a_model_draws_only_its_own_pairs(world, monkeypatch):
    """No pair of unpaired modalities is ever drawn: not by a pairwise model, not by a joint one."""
    seen = set()
    draw = digits.PairSampler.sample

    def spy(self, n, modalities):
        seen.add(tuple(modalities))
        return draw(self, n, modalities)

    monkeypatch.setattr(digits.PairSampler, "sample", spy)
    trained.train("joint_text", world, 16, recipe(steps=4), seed=0, progress=False)
    assert seen == {("image", "text"), ("audio", "text")}


# --- towers ---


def recipe(steps: int) -> trained.Recipe:
    return trained.Recipe(
        width=32, layers=1, steps=steps, batch=48, learning_rate=3e-3, fast_learning_rate=5e-3, weight_decay=0.05
    )


def test_training_repeats_itself(world):
    losses = [[], []]
    models = [
        trained.train("audio_text", world, 16, recipe(10), seed=1, report=curve.append, progress=False)
        for curve in losses
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 10
    for name, weight in models[0].state_dict().items():
        assert torch.equal(weight, models[1].state_dict()[name])


def test_training_learns(world):
    """Below the loss of a model that knows nothing, log(48)."""
    losses = []
    trained.train("audio_text", world, 32, recipe(250), seed=1, report=losses.append, progress=False)
    assert np.mean(losses[-20:]) < np.log(48) - 0.15


def test_encoders_give_unit_rows_and_the_learned_scale(world):
    model = trained.train("joint_image", world, 24, recipe(4), seed=2, progress=False)
    with torch.no_grad():
        model.logit_scales["audio_image"].fill_(2.0)
    towers = trained.encoders(model)
    assert set(towers) == {"image", "text", "audio"}
    rows = towers["audio"].encode(list(world["audio"].content[:5]))
    assert torch.allclose(rows.norm(dim=1), torch.ones(5), atol=1e-5)
    alone = towers["audio"].encode([world["audio"].content[2]])
    assert torch.allclose(rows[2], alone[0], atol=1e-5)  # in evaluation no item depends on its batch
    assert pair_scale(towers["audio"].info, towers["image"].info) == pytest.approx(np.exp(2.0))
    assert towers["image"].info.logit_scale is None
    other = trained.encoders(trained.train("audio_text", world, 24, recipe(2), seed=2, progress=False))
    with pytest.raises(InputError, match="bridge them"):
        pair_scale(other["text"].info, towers["text"].info)


def test_image_text_is_open_clip(world):
    """Its towers are those of open_clip's model: the same weights in that class give the same embeddings."""
    model = trained.train("image_text", world, 16, recipe(2), seed=0, progress=False)
    clip = trained._clip(16, recipe(2), int(world["text"].content.max()) + 1).eval()
    assert isinstance(clip, open_clip.CustomTextCLIP)
    clip.visual.load_state_dict(model.towers["image"].state_dict())
    clip.text.load_state_dict(model.towers["text"].state_dict())
    with torch.no_grad():
        image, text, _ = clip(world["image"].content[:4], world["text"].content[:4])
        assert torch.allclose(image, model.encode("image", world["image"].content[:4]), atol=1e-6)
        assert torch.allclose(text, model.encode("text", world["text"].content[:4]), atol=1e-6)


@given(st.integers(0, 10_000))
def test_augmented_images_are_shifts(seed):
    image = torch.arange(64.0).reshape(1, 1, 8, 8).expand(1, 3, 8, 8) + 1
    shifted = trained.augment_image(image, generator(seed))
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1), value=-1.0)
    windows = [padded[..., i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
    assert sum(torch.equal(shifted, window) for window in windows) == 1


def test_augmented_audio_keeps_its_shape_and_hides_little(world):
    spectra = world["audio"].content[:50]
    changed = trained.augment_audio(spectra, generator(5))
    assert changed.shape == spectra.shape
    assert torch.isfinite(changed).all()
    assert (changed == -0.5).float().mean() < 0.25


def test_content_is_not_pickled(world, tmp_path):
    digits.write_world(world, tmp_path / "items.parquet", tmp_path / "content.safetensors")
    assert set(load_file(tmp_path / "content.safetensors")) == {"image", "text", "audio"}
