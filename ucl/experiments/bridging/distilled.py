"""The distilled bridge of a task: a student of its two models and its bank, from training items that are no pairs."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from ucl.core.bridge import Bridge
from ucl.distilled.distil import distill
from ucl.distilled.limits import FEWEST
from ucl.distilled.report import weak_allowed
from ucl.distilled.training import Settings
from ucl.experiments.bridging.suite import Suite, Task
from ucl.media.base import Modality

__all__ = ["distilled_scores"]


def distilled_scores(suite: Suite, task: Task, bridge: Bridge, seed: int, steps: int) -> Iterator[Float[Tensor, "n k"]]:
    """The grid of all queries and candidates; nothing where a side has too few items of the training split."""
    unpaired = _unpaired(suite, task.query), _unpaired(suite, task.candidate)
    if min(*map(len, unpaired), len(bridge.bank)) < FEWEST:
        return
    a, c = suite.rows(task.first, task.query, unpaired[0]), suite.rows(task.second, task.candidate, unpaired[1])
    with weak_allowed():  # the table shows who is weak
        student = distill(bridge, a, c, seed=seed, settings=Settings(steps=steps), progress=False)
    asked = ((task.first, task.query), (task.second, task.candidate))
    yield student.score(*(suite.rows(model, m, suite.tested(m)["id"].tolist()) for model, m in asked))


def _unpaired(suite: Suite, modality: Modality) -> list[str]:
    items = suite.items
    return list(items.loc[(items["modality"] == modality) & (items["split"] == "train"), "id"])
