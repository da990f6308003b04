"""What is trained: small towers on frozen features, and the two-tower models with their learned scale.

A model scores (x, y) by scale times the cosine of its two towers. A picture or a sound is seen as the pretrained
network's features and as words: the mean of its ten best classes' names as the text network embeds them.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import torch
from anyascii import anyascii
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

__all__ = ["CharacterTower", "Classes", "Described", "FrameTower", "TextTower", "TwoTowers", "letters", "pad_rows"]

LETTERS = " 'abcdefghijklmnopqrstuvwxyz0123456789"  # 0 stands for no letter
LONGEST = 40  # letters of a caption that are read, and frames of speech: 3.2 seconds, half of one silence before
BEST = 10  # classes whose names describe a picture or a sound
LARGEST_SCALE = 100.0


class Classes(NamedTuple):
    """A frozen network's head, and its class names as the text network embeds them."""

    weight: Float[Tensor, "classes d"]
    bias: Float[Tensor, " classes"]
    names: Float[Tensor, "classes e"]

    def describe(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n d_and_e"]:
        """Features, and beside them the names of their ten best classes, weighted by the softmax over these."""
        best, classes = (features @ self.weight.mT + self.bias).topk(min(BEST, len(self.names)), dim=1)
        return _joined(features, (best.softmax(1)[..., None] * self.names[classes]).sum(1))

    def pseudo(self) -> Float[Tensor, "classes d_and_e"]:
        """The classes themselves as if each were a picture or sound: its row of the head, and its name."""
        return _joined(self.weight, self.names)


def _joined(features: Tensor, words: Tensor) -> Tensor:
    """Both of unit variance."""
    centred = normalize(features - features.mean(1, keepdim=True), dim=-1) * features.shape[1] ** 0.5
    return torch.cat([centred, normalize(words, dim=-1) * words.shape[1] ** 0.5], dim=1)


class Described(nn.Module):
    """What `Classes.describe` gives to vectors [n, width]; the classes are kept, as part of what the tower computes."""

    def __init__(self, classes: Classes, width: int, hidden: int) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.names: Tensor
        for name, value in classes._asdict().items():
            self.register_buffer(name, value.clone())
        self.split = [classes.weight.shape[1], classes.names.shape[1]]
        self.features = nn.Sequential(nn.Dropout(0.3), nn.Linear(self.split[0], hidden))
        self.words = nn.Sequential(nn.Dropout(0.1), nn.Linear(self.split[1], hidden))
        self.last = nn.Sequential(nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, width))

    @property
    def classes(self) -> Classes:
        return Classes(self.weight, self.bias, self.names)

    def forward(self, rows: Float[Tensor, "n d_and_e"]) -> Float[Tensor, "n width"]:
        features, words = rows.split(self.split, dim=1)
        return self.last(self.features(features) + self.words(words))


class TextTower(nn.Module):
    """Sentence embeddings [n, e] of the frozen text network to vectors [n, width]."""

    def __init__(self, inputs: int, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden, width)
        )

    def forward(self, sentences: Float[Tensor, "n e"]) -> Float[Tensor, "n width"]:
        return self.layers(sentences * sentences.shape[1] ** 0.5)


class Sequences(nn.Module):
    """Sequences [n, t, inputs] and their lengths [n] to vectors [n, width]: a convolution, a GRU in each direction.

    The last state of both and their maximum over time are read. What stands after a sequence's end changes nothing.
    (PyTorch's packed sequences do the same at two to three times the cost on a CPU.)
    """

    def __init__(self, inputs: int, width: int, hidden: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, hidden, 3, padding=1)
        self.forwards = nn.GRU(hidden, hidden, batch_first=True)
        self.backwards = nn.GRU(hidden, hidden, batch_first=True)
        self.last = nn.Sequential(nn.Dropout(0.3), nn.Linear(4 * hidden, width))

    def forward(self, rows: Float[Tensor, "n t inputs"], lengths: Int[Tensor, " n"]) -> Float[Tensor, "n width"]:
        maps = torch.relu(self.convolution(rows.mT)).mT
        place, end = torch.arange(rows.shape[1], device=rows.device), lengths[:, None] - 1
        turned = (end - place).clamp_min(0)[..., None].expand_as(maps)
        read = []
        for recurrent, sequence in ((self.forwards, maps), (self.backwards, maps.gather(1, turned))):
            states = recurrent(sequence)[0]
            read.append(states.gather(1, end[..., None].expand(-1, 1, states.shape[2]))[:, 0])
            read.append(states.masked_fill((place > end)[..., None], -1.0).amax(1))  # a GRU's states are above -1
        return self.last(torch.cat(read, dim=1))


class FrameTower(nn.Module):
    """Frames of speech to vectors. In training, frames are hidden and noise is added: few voices say few words."""

    def __init__(self, inputs: int, width: int, hidden: int) -> None:
        super().__init__()
        self.scale = inputs**-0.5
        self.sequences = Sequences(inputs, width, hidden)

    def forward(self, rows: Float[Tensor, "n t inputs"], lengths: Int[Tensor, " n"]) -> Float[Tensor, "n width"]:
        return self.sequences(rows[:, :LONGEST] * self.scale, lengths.clamp_max(LONGEST))


class CharacterTower(nn.Module):
    """Letters of a text to vectors: it can spell a word that it never saw."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS) + 1, hidden, padding_idx=0)
        self.sequences = Sequences(hidden, width, hidden)

    def forward(self, rows: Int[Tensor, "n t"], lengths: Int[Tensor, " n"]) -> Float[Tensor, "n width"]:
        return self.sequences(self.embedding(rows), lengths)


class TwoTowers(nn.Module):
    """Two towers and the scale by which their cosine is multiplied."""

    def __init__(self, x: nn.Module, y: nn.Module, scale: float = 10.0) -> None:
        super().__init__()
        self.x, self.y = x, y
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    @property
    def scale(self) -> Float[Tensor, ""]:
        return self.log_scale.exp().clamp_max(LARGEST_SCALE)


def letters(text: str) -> Int[Tensor, " t"]:
    """A text as numbers of letters: any script as Latin letters without accents; at least one number."""
    plain = anyascii(unicodedata.normalize("NFKC", text)).lower()
    found = [LETTERS.index(letter) + 1 if letter in LETTERS else 1 for letter in plain]
    return torch.tensor(([1, *found, 1] if found else [1])[:LONGEST])


def pad_rows(rows: Sequence[Tensor]) -> tuple[Tensor, Int[Tensor, " n"]]:
    """Sequences of unlike length as one tensor, zeros after their ends, and their lengths."""
    return nn.utils.rnn.pad_sequence(list(rows), batch_first=True), torch.tensor([len(row) for row in rows])
