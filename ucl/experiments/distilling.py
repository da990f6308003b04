"""The distilled bridge's row in an experiment: a student per seed, all seeds as one stack."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.critics import CRITICS
from ucl.distilled.training import Settings
from ucl.learning.model_pairs import Embedded
from ucl.peers import Distilled, SharedBank
from ucl.statistics.retrieval import recall_of_groups

__all__ = ["distilled_recalls", "settings_of"]


def settings_of(steps: int, pairs: int) -> Settings:
    """How students are trained beside models of so many pairs: a tiny world has no whole batch."""
    return Settings(steps=steps, batch=min(Settings.batch, pairs // 4))


def distilled_recalls(
    known: Embedded,
    memory_a: Float[Tensor, "s n d1"],
    memory_c: Float[Tensor, "s n d2"],
    candidates: int,
    settings: Settings,
) -> Float[Tensor, " s"]:
    """Recall@1 among groups of `candidates` per seed, distilled from the bank and unpaired samples, all embedded."""
    kinds = CRITICS[known.ab.name], CRITICS[known.bc.name]
    scales = [torch.as_tensor(critic.scale) for critic in (known.ab, known.bc)]
    banks: Sequence[SharedBank] = [
        SharedBank(for_a, for_c, kinds[0](float(ab)), kinds[1](float(bc)), a, c)
        for for_a, for_c, ab, bc, a, c in zip(known.for_a, known.for_c, *scales, memory_a, memory_c, strict=True)
    ]
    students = Distilled.fit_stack(banks, range(len(banks)), settings)
    groups = zip(students, known.a, known.c, strict=True)
    return torch.tensor([recall_of_groups(own.score, a, c, candidates) for own, a, c in groups])
