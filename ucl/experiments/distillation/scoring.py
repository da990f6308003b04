"""Distilled bridges, LogSumExp and C-MCR against the size of the bank, the number of samples, and the steps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
from torch import Tensor
from tqdm import tqdm

from ucl.core.critics import CRITICS
from ucl.distilled.distil import distill_each
from ucl.distilled.draws import Known
from ucl.distilled.report import weak_allowed
from ucl.distilled.student import Student
from ucl.distilled.training import Settings
from ucl.experiments.distillation.config import Condition, Playing
from ucl.experiments.scenes import SCENES
from ucl.peers import CMCR, MonteCarlo, MonteCarloNormalized, Peer, SharedBank
from ucl.statistics.retrieval import recall_of_groups

__all__ = ["play"]

OTHERS: tuple[type[Peer], ...] = (MonteCarlo, MonteCarloNormalized, CMCR)
NAMES = {"linear": "distilled_linear", "hidden": "distilled_hidden"}
COLUMNS = ["bank", "samples", "steps", "seed", "method", "recall_at_1", "refuses"]


def play(
    params: Playing,
    name: str,
    conditions: Sequence[Condition],
    tensors: Mapping[str, Tensor],
    progress: bool = True,
) -> pd.DataFrame:
    """A table bank, samples, steps, seed, method, recall_at_1, refuses.

    `distilled` is the student that validation chose of `distilled_linear` and `distilled_hidden`, which are shown for
    comparison; `refuses`, whether it says of itself that LogSumExp does better, or that it finds nothing. What is not
    trained with `steps` is there for the usual number alone.
    """
    rows: list[tuple[int | str | float | bool, ...]] = []
    for place in tqdm(conditions, f"distillation, {name}", unit="condition", disable=not progress):
        known = [_known(tensors, SCENES[name].critic, seed, place) for seed in range(params.seeds)]
        for seed, (students, own) in enumerate(zip(_students(known, place.steps), known, strict=True)):
            bank = SharedBank(own.for_a, own.for_c, own.ab, own.bc, own.a, own.c)
            a, c = tensors["a"][seed], tensors["c"][seed]
            recall = partial(recall_of_groups, a=a, c=c, candidates=params.candidates)
            recalls = {NAMES[key]: recall(each.score) for key, each in students.items()}
            report = next(iter(students.values())).report
            rows += [(*place, seed, method, value, False) for method, value in recalls.items()]
            rows.append((*place, seed, "distilled", recalls[NAMES[report.chosen]], report.refuses))
            if place.steps == params.steps:
                peers = (method().fit(bank) for method in OTHERS)
                rows += [(*place, seed, peer.name, recall(peer.score), False) for peer in peers]
    return pd.DataFrame(rows, columns=COLUMNS)


def _known(tensors: Mapping[str, Tensor], critic: str, seed: int, place: Condition) -> Known:
    """The beginning of the bank and of the samples."""
    ab, bc = (CRITICS[critic](float(tensors[f"scale_{pair}"][seed])) for pair in ("ab", "bc"))
    bank = (tensors[key][seed, : place.bank] for key in ("for_a", "for_c"))
    samples = (tensors[key][seed, : place.samples] for key in ("memory_a", "memory_c"))
    for_a, for_c = bank
    a, c = samples
    return Known(ab, bc, for_a, for_c, a, c)


def _students(known: Sequence[Known], steps: int) -> list[dict[str, Student]]:
    with weak_allowed():  # the table shows who is weak
        return distill_each(known, range(len(known)), settings=replace(Settings(), steps=steps))
