"""The distilled bridge's row in an experiment: a student per seed, all seeds as one stack."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.critics import CRITICS
from ucl.distilled.training import Settings
from ucl.experiments.settings import GaussianDistilling
from ucl.learning.model_pairs import Embedded, ModelPair
from ucl.peers import Distilled, SharedBank
from ucl.statistics.retrieval import recall_of_groups
from ucl.worlds.gaussian import Triples

__all__ = ["distilled_recalls", "settings_of"]


def settings_of(steps: int, pairs: int) -> Settings:
    """How students are trained beside models of so many pairs: a tiny world has no whole batch."""
    return Settings(steps=steps, batch=min(Settings.batch, pairs // 4))


def distilled_recalls(
    params: GaussianDistilling, pair: ModelPair, data: Mapping[str, Triples], known: Embedded
) -> Float[Tensor, " s"]:
    """Recall@1 among groups of candidates per seed, distilled from the bank of `known` and training samples, unpaired.

    The samples are the first of A and of C in `data`'s draws `ab` and `bc`.
    """
    memory = pair.embed_ends(data["ab"].a[:, : params.memory], data["bc"].c[:, : params.memory])
    kinds = CRITICS[known.ab.name], CRITICS[known.bc.name]
    scales = [torch.as_tensor(critic.scale) for critic in (known.ab, known.bc)]
    banks: Sequence[SharedBank] = [
        SharedBank(for_a, for_c, kinds[0](float(ab)), kinds[1](float(bc)), a, c)
        for for_a, for_c, ab, bc, a, c in zip(known.for_a, known.for_c, *scales, *memory, strict=True)
    ]
    settings = settings_of(params.distil_steps, params.pairs)
    students = Distilled.fit_stack(banks, range(len(banks)), settings)
    groups = zip(students, known.a, known.c, strict=True)
    return torch.tensor([recall_of_groups(own.score, a, c, params.candidates) for own, a, c in groups])
