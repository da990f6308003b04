"""Three encoders that meet in one space: (state, action), state, and words (section 6.3).

The state encoder serves both kinds of pairs: state-action with future state, and state with words. Every module holds
S independent models (seeds) along the first axis of its parameters.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ucl.core.critics import Critic
from ucl.learning.encoders import StackedLinear
from ucl.maze.language import tokens
from ucl.maze.quasimetric import MAZE_CRITICS
from ucl.maze.word_reader import StackedGRU

__all__ = ["MazeModel", "Tokenizer"]

PAD, UNKNOWN = 0, 1
LONGEST, OCTAVES = 32.0, 6  # periods of a position's features: 32, 16, ..., 1 units
HARMONICS = 4  # of the action's angle
WORD_SCALE = 0.1


@dataclass(frozen=True)
class Tokenizer:
    """Words to integers: 0 pads, 1 is a word that no training phrase holds."""

    vocabulary: tuple[str, ...]

    @classmethod
    def fit(cls, phrases: Iterable[str]) -> "Tokenizer":
        """The words of `phrases`, in alphabetical order."""
        return cls(tuple(sorted({word for text in phrases for word in tokens(text)})))

    def __len__(self) -> int:
        return len(self.vocabulary) + 2

    def __call__(self, phrases: Sequence[str]) -> Int[Tensor, "n length"]:
        """Token ids, padded at the end to the longest text."""
        index = {word: i + 2 for i, word in enumerate(self.vocabulary)}
        rows = [torch.tensor([index.get(word, UNKNOWN) for word in tokens(text)]) for text in phrases]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD).long()


def waves(angle: Float[Tensor, "*s"], octaves: int, geometric: bool) -> Float[Tensor, "*s features"]:
    """Sines and cosines of `angle` at frequencies 1, 2, 4, ... (`geometric`) or 1, 2, 3, ..."""
    k = torch.arange(octaves, dtype=angle.dtype, device=angle.device)
    phase = angle[..., None] * (2**k if geometric else k + 1)
    return torch.cat([phase.sin(), phase.cos()], dim=-1)


def position_features(positions: Float[Tensor, "*s n 2"]) -> Float[Tensor, "*s n features"]:
    """Fourier features of x and of y."""
    return waves(positions * (2 * math.pi / LONGEST), OCTAVES, geometric=True).flatten(-2)


class WordEncoder(nn.Module):
    """Word vectors, a gated recurrent network that reads them in order, one hidden layer on its last state."""

    def __init__(self, generators: Sequence[torch.Generator], words: int, width: int, outputs: int) -> None:
        super().__init__()
        # Small vectors: what words share is then learned before what single combinations of them mean.
        table = WORD_SCALE * torch.stack([torch.randn(words, width, generator=g) for g in generators])
        self.table = nn.Parameter(table)
        self.reader = StackedGRU(generators, width, 2 * width)
        self.hidden = StackedLinear(generators, 2 * width, 2 * width)
        self.out = StackedLinear(generators, 2 * width, outputs)

    def forward(self, ids: Int[Tensor, "s n length"]) -> Float[Tensor, "s n d"]:
        lengths = (ids != PAD).sum(-1).clamp_min(1)
        return self.out(self.hidden(self.reader(self.table, ids, lengths)).relu())


class MazeModel(nn.Module):
    """S models of one maze: three encoders and a learned scale for each kind of pair."""

    def __init__(
        self, generators: Sequence[torch.Generator], words: int, critic: str, width: int, dimension: int
    ) -> None:
        super().__init__()
        positions, actions = 4 * OCTAVES, 2 * HARMONICS
        self.critic_type: type[Critic] = MAZE_CRITICS[critic]
        self.state = nn.Sequential(
            StackedLinear(generators, positions, width),
            nn.ReLU(),
            StackedLinear(generators, width, width),
            nn.ReLU(),
            StackedLinear(generators, width, dimension),
        )
        self.place = nn.Sequential(
            StackedLinear(generators, positions, width), nn.ReLU(), StackedLinear(generators, width, width)
        )
        self.turn = StackedLinear(generators, actions, width)
        self.both = nn.Sequential(
            nn.ReLU(),
            StackedLinear(generators, width, width),
            nn.ReLU(),
            StackedLinear(generators, width, dimension),
        )
        self.words = WordEncoder(generators, words, width // 4, dimension)
        self.log_scale = nn.Parameter(torch.zeros(len(generators), 2))

    def encode_state(self, positions: Float[Tensor, "s n 2"]) -> Float[Tensor, "s n d"]:
        """Representations of positions."""
        return self.state(position_features(positions))

    def encode_actions(
        self, positions: Float[Tensor, "s n 2"], angles: Float[Tensor, "s n k"]
    ) -> Float[Tensor, "s n k d"]:
        """Representations of `k` actions (radians) at each position; where an action leads is not given."""
        n, k = angles.shape[1:]
        place = self.place(position_features(positions))
        turn = self.turn(waves(angles.flatten(1), HARMONICS, geometric=False)).unflatten(1, (n, k))
        return self.both((place[:, :, None] + turn).flatten(1, 2)).unflatten(1, (n, k))

    def encode_words(self, ids: Int[Tensor, "s n length"]) -> Float[Tensor, "s n d"]:
        """Representations of tokenised texts."""
        return self.words(ids)

    @property
    def critic_future(self) -> Critic:
        """f((s, a), s+), with its learned scale per model."""
        return self.critic_type(self.log_scale[:, 0].exp())

    @property
    def critic_words(self) -> Critic:
        """f(s, words), with its learned scale per model."""
        return self.critic_type(self.log_scale[:, 1].exp())

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], critic: str) -> "MazeModel":
        """Rebuild models from their `state_dict`: every size is read off the tensors."""
        seeds, words, _ = tensors["words.table"].shape
        width, dimension = tensors["turn.weight"].shape[-1], tensors["words.out.weight"].shape[-1]
        model = cls([torch.Generator() for _ in range(seeds)], words, critic, width, dimension)
        model.load_state_dict(dict(tensors))
        return model
