"""Digits as handwriting, as speech and as phrases: three modalities with one meaning that only a digit connects.

The joint distribution is simple and known: a phrase is drawn from the grammar, a digit from those that the phrase is
true of, then an image and a clip of that digit. Each model sees pairs of two of the modalities only.

Libraries that only the preparation of items needs are imported there: they take seconds, and every job pays for them.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import soundfile
import torch
from jaxtyping import Bool, Float, Int
from scipy.signal import resample_poly
from torch import Tensor

from ucl.digits.grammar import DIGITS, NUMBER_WORDS, grammar
from ucl.errors import InputError
from ucl.files import read_parquet, write_parquet
from ucl.media.audio import RATE, log_mel
from ucl.media.base import Modality
from ucl.tensors import read_tensors, write_tensors

__all__ = [
    "CONTEXT_LENGTH",
    "Items",
    "PairSampler",
    "Split",
    "World",
    "load_images",
    "load_phrases",
    "load_recordings",
    "load_speech",
    "read_sound",
    "read_world",
    "write_world",
]

Split = Literal["train", "validation", "test"]
MODALITIES: tuple[Modality, ...] = ("image", "text", "audio")
CONTEXT_LENGTH = 12  # tokens; the longest phrase has 11 with its start and end


@dataclass(frozen=True)
class Items:
    """All items of one modality.

    `content` is what an encoder reads: images [n, 3, 8, 8], log-mel spectrograms [n, bands, frames], tokens [n, 12].
    `meaning[i, digit]` says whether item i is that digit or, for a phrase, is true of it. `source` is for people: a
    phrase's text, a clip's language or speaker.
    """

    ids: tuple[str, ...]
    content: Tensor
    meaning: Bool[Tensor, "n 10"]
    split: np.ndarray
    source: tuple[str, ...]

    def rows(self, *splits: Split) -> Int[Tensor, " m"]:
        """Positions of the items of these splits."""
        return torch.as_tensor(np.flatnonzero(np.isin(self.split, splits)))


World = Mapping[Modality, Items]


def write_world(world: World, table: str | Path, content: str | Path) -> None:
    """Write `table`, the items of all modalities (Parquet), and `content`, what encoders read (safetensors).

    Columns: id, modality, split, digits (what the item means), source; and what any suite of `bridging` has:
    label (the digit, null where a phrase leaves it open) and bank (whether the item stands in its modality's bank: all
    phrases, and the images and clips of the training split).
    """
    frames = []
    for modality, items in world.items():
        digits = [[digit for digit in DIGITS if means[digit]] for means in items.meaning.tolist()]
        frame = pd.DataFrame({"id": items.ids, "modality": modality, "split": items.split, "digits": digits})
        frame["source"] = items.source
        frame["label"] = [str(meant[0]) if len(meant) == 1 else None for meant in digits]
        frame["bank"] = (frame["split"] == "train") | (modality == "text")
        frames.append(frame)
    write_parquet(pd.concat(frames, ignore_index=True), table)
    write_tensors({modality: items.content for modality, items in world.items()}, content)


def read_world(table: str | Path, content: str | Path) -> dict[Modality, Items]:
    """What `write_world` wrote."""
    frame, tensors = read_parquet(table), read_tensors(content)
    world: dict[Modality, Items] = {}
    for modality in MODALITIES:
        part = frame[frame["modality"] == modality]
        meaning = torch.tensor([[digit in meant for digit in DIGITS] for meant in part["digits"]])
        split = part["split"].to_numpy(dtype=object)
        world[modality] = Items(tuple(part["id"]), tensors[modality], meaning, split, tuple(part["source"]))
    return world


def load_images() -> Items:
    """The 1,797 handwritten digits of scikit-learn, 8 by 8; 60 % train, 15 % validation, 25 % test of each digit."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = torch.as_tensor(digits.images, dtype=torch.float32) / 8 - 1
    split = _stratified(digits.target, validation=0.15, test=0.25)
    return Items(
        ids=tuple(f"image_{i:04d}" for i in range(len(pixels))),
        content=pixels[:, None].expand(-1, 3, -1, -1).contiguous(),
        meaning=_one_hot(digits.target),
        split=split,
        source=("handwritten",) * len(pixels),
    )


def load_phrases() -> Items:
    """The grammar: bare number words are always trained on, of the rest 15 % are for validation and 15 % for test."""
    phrases = grammar()
    meaning = torch.tensor([[digit in phrase.digits for digit in DIGITS] for phrase in phrases])
    words = {word for words in NUMBER_WORDS.values() for word in words}
    split = np.full(len(phrases), "train", dtype=object)
    composed = np.array([i for i, phrase in enumerate(phrases) if phrase.text not in words])
    kind = np.where(meaning.sum(1) == 1, meaning.int().argmax(1), 10)
    split[composed] = _stratified(kind[composed], validation=0.15, test=0.15)
    return Items(
        ids=tuple(f"phrase_{i:04d}" for i in range(len(phrases))),
        content=_tokens([phrase.text for phrase in phrases]),
        meaning=meaning,
        split=split,
        source=tuple(phrase.text for phrase in phrases),
    )


def load_speech(table: str | Path, validation_voices: Sequence[str], test_voices: Sequence[str]) -> Items:
    """The clips the repository ships (Parquet of FLAC files), split by voice."""
    clips = pd.read_parquet(table)
    waves = [_read(io.BytesIO(audio)) for audio in clips["audio"]]
    source = clips["language"] + ", voice " + clips["voice"]
    split = _by_speaker(clips["voice"], validation_voices, test_voices)
    return _spoken(clips["id"], waves, clips["digit"].to_numpy(), split, source)


def load_recordings(folder: str | Path, validation_speakers: Sequence[str], test_speakers: Sequence[str]) -> Items:
    """Free Spoken Digits: `{digit}_{speaker}_{index}.wav`, split by speaker."""
    files = sorted(Path(folder).glob("*.wav"))
    if not files:
        raise InputError(f"{folder}: expected recordings like 7_jackson_0.wav, found none; run `dvc pull {folder}.dvc`")
    names = pd.Series([file.stem for file in files])
    parts = names.str.extract(r"^(?P<digit>[0-9])_(?P<speaker>[a-z]+)_(?P<index>[0-9]+)$")
    if parts.isna().any(axis=None):
        wrong = names[parts["digit"].isna()].iloc[0]
        raise InputError(f"{folder}/{wrong}.wav: expected a name like 7_jackson_0.wav; remove or rename the file")
    split = _by_speaker(parts["speaker"], validation_speakers, test_speakers)
    return _spoken(
        names, [_read(file) for file in files], parts["digit"].astype(int).to_numpy(), split, parts["speaker"]
    )


def read_sound(source: str | Path, name: str) -> Float[Tensor, " t"]:
    """The samples of one item, at `RATE`: from the shipped table or from the folder of recordings."""
    source = Path(source)
    if source.is_dir():
        return _read(source / f"{Path(name).name}.wav")
    clips = pd.read_parquet(source, columns=["id", "audio"], filters=[("id", "==", name)])
    return _read(io.BytesIO(clips["audio"].iloc[0]))


class PairSampler:
    """Draws from the joint distribution over the training items."""

    def __init__(self, world: World, generator: torch.Generator) -> None:
        self.world, self.generator = world, generator
        self.phrases = world["text"].rows("train")
        self.rows_of_digit = {m: _by_digit(world[m]) for m in ("image", "audio")}

    def sample(self, n: int, modalities: Sequence[Modality]) -> dict[Modality, Int[Tensor, " n"]]:
        """Positions of `n` matching items of each of `modalities`."""
        text = self.phrases[torch.randint(len(self.phrases), (n,), generator=self.generator)]
        digit = torch.multinomial(self.world["text"].meaning[text].float(), 1, generator=self.generator)[:, 0]
        return {m: text if m == "text" else self._of(m, digit) for m in modalities}

    def _of(self, modality: Modality, digit: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        position = torch.rand(len(digit), generator=self.generator, dtype=torch.float64)
        rows, counts = self.rows_of_digit[modality]
        return rows[digit, (position * counts[digit]).long()]


def _by_digit(items: Items) -> tuple[Int[Tensor, "digits longest"], Int[Tensor, " digits"]]:
    """Positions of the training items of each digit, and how many there are; what is behind them is filling."""
    train = items.rows("train")
    rows = [train[items.meaning[train, digit]] for digit in DIGITS]
    for digit, own in zip(DIGITS, rows, strict=True):
        if not len(own):
            raise InputError(f"no item of digit {digit} is left to train on; give fewer voices to validation and test")
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(own) for own in rows])


def _spoken(
    ids: pd.Series, waves: Sequence[Float[Tensor, " _"]], digit: np.ndarray, split: np.ndarray, source: pd.Series
) -> Items:
    content = torch.stack([log_mel(wave) for wave in waves])
    return Items(tuple(ids), content, _one_hot(digit), split, tuple(source))


def _read(file: Path | io.BytesIO) -> Float[Tensor, " t"]:
    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    return torch.as_tensor(mono if rate == RATE else resample_poly(mono, RATE, rate).astype(np.float32))


def _by_speaker(speaker: pd.Series, validation: Sequence[str], test: Sequence[str]) -> np.ndarray:
    unknown = sorted({*validation, *test} - set(speaker))
    both = sorted({*validation} & {*test})
    if unknown or both:
        raise InputError(
            f"speakers {', '.join(unknown or both)}: expected names out of {', '.join(sorted(set(speaker)))}, "
            "each in validation or test but not in both"
        )
    return np.select([speaker.isin(validation), speaker.isin(test)], ["validation", "test"], "train").astype(object)


def _stratified(label: np.ndarray, validation: float, test: float) -> np.ndarray:
    """A split that no seed changes: every run, and every choice made on validation data, sees the same test items.

    Numbers of a first test had been seen before the recipe was fixed. This one is drawn from what was trained on until
    then; what was validated on still is, and the items of the first test are trained on.
    """
    from sklearn.model_selection import train_test_split

    rest, _ = train_test_split(np.arange(len(label)), test_size=test, stratify=label, random_state=0)
    share = validation / (1 - test)
    trained, validated = train_test_split(rest, test_size=share, stratify=label[rest], random_state=0)
    count = round(test * len(label))
    _, tested = train_test_split(trained, test_size=count, stratify=label[trained], random_state=1)
    split = np.full(len(label), "train", dtype=object)
    split[tested], split[validated] = "test", "validation"
    return split


def _one_hot(digit: np.ndarray) -> Bool[Tensor, "n 10"]:
    return torch.nn.functional.one_hot(torch.tensor(digit, dtype=torch.int64), len(DIGITS)).bool()


def _tokens(texts: Sequence[str]) -> Int[Tensor, "n 12"]:
    """CLIP's tokens, renumbered to those that occur: their order stays, so the end token is still the largest."""
    import open_clip

    tokens = open_clip.SimpleTokenizer(context_length=CONTEXT_LENGTH)(texts)
    return torch.unique(tokens, return_inverse=True)[1]
