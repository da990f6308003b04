"""Banks and scales that are not what they should be: what `ucl check` says of them, and of the sound ones."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ucl.core.bank import Bank
from ucl.core.critics import Critic
from ucl.experiments.diagnosis.config import Defects
from ucl.experiments.diagnosis.embeddings import Embeddings
from ucl.runtime import generator
from ucl.trust.check import check
from ucl.trust.findings import Findings

__all__ = ["spoil"]

ORDER = 32  # purpose of random streams
SCALE, ROWS, COVER = ("scale_ab", "scale_ab_by_pairs"), ("order",), ("coverage", "hubs", "scale_ab", "scale_bc")


class Defect(NamedTuple):
    """What is wrong: the bank, or the critic of A's model; the findings that may tell, at least of this `level`."""

    name: str
    bank: Bank
    ab: Critic
    findings: tuple[str, ...]
    level: Literal["warning", "error"]


def spoil(spoilt: Defects, scene: str, tensors: Mapping[str, Tensor], progress: bool = True) -> pd.DataFrame:
    """Every defect on every seed of a scene: a table seed, defect, found, false_alarm.

    `found`: one of the findings that may tell of the defect did; `false_alarm`: one of them did so on the sound bank
    with the sound scales too. Defects that are none in a scene are left out: the sides of one shared embedding cannot
    be swapped, and a scale of at most one has no logarithm that is a scale.
    """
    rows = []
    for seed in tqdm(range(len(tensors["a"])), f"spoil {scene}", unit="seed", disable=not progress):
        own = Embeddings.of(scene, tensors, seed)
        sound = _check(spoilt, own, Bank(own.for_a, own.for_c), own.ab)
        for defect in _defects(spoilt, own, seed):
            found = _check(spoilt, own, defect.bank, defect.ab)
            rows.append((seed, defect.name, _told(found, defect), _told(sound, defect)))
    return pd.DataFrame(rows, columns=["seed", "defect", "found", "false_alarm"])


def _defects(spoilt: Defects, own: Embeddings, seed: int) -> Iterator[Defect]:
    """Two embeddings of B that are one stay so, but for those defects that part them."""
    scale = own.ab.number
    scales = {"scale_tenth": scale / 10, "scale_tenfold": scale * 10, "scale_logarithm": math.log(scale)}
    for name, wrong in scales.items():
        if wrong > 0:
            yield Defect(name, own.bank, type(own.ab)(wrong), SCALE, "error")
    for share in spoilt.displaced:
        order = _displaced(len(own.for_c), share, generator(seed, ORDER, round(1000 * share)))
        yield Defect(f"displaced_{100 * share:g}", Bank(own.for_a, own.for_c[order]), own.ab, ROWS, "error")
    for size in spoilt.banks:
        yield Defect(f"bank_{size}", _bank(own, torch.arange(min(size, len(own.for_a)))), own.ab, COVER, "warning")
    far = replace(own, for_a=own.far_for_a, for_c=own.far_for_c)
    yield Defect("elsewhere", far.bank, own.ab, COVER, "warning")
    twice = torch.arange(len(own.for_a) // 2).repeat(2)
    yield Defect("repeats", _bank(own, twice), own.ab, ("repeats",), "warning")
    if not own.shared and own.for_a.shape[1] == own.for_c.shape[1]:
        yield Defect("swapped", Bank(own.for_c, own.for_a), own.ab, COVER, "warning")


def _bank(own: Embeddings, rows: Tensor) -> Bank:
    return replace(own, for_a=own.for_a[rows], for_c=own.for_c[rows]).bank


def _displaced(count: int, share: float, random: torch.Generator) -> Tensor:
    """An order in which a share of the rows is another sample's."""
    order, moved = torch.arange(count), torch.randperm(count, generator=random)[: max(2, round(share * count))]
    order[moved] = moved.roll(1)
    return order


def _check(spoilt: Defects, own: Embeddings, bank: Bank, ab: Critic) -> Findings:
    queries, pairs = spoilt.queries, spoilt.pairs
    known: dict[str, Any] = {
        "pairs_ab": (own.pairs_ab.anchor[:pairs], own.pairs_ab.for_a[:pairs]),
        "pairs_bc": (own.pairs_bc.anchor[:pairs], own.pairs_bc.for_c[:pairs]),
    }
    return check(bank, ab, own.bc, queries_a=own.samples_a[:queries], queries_c=own.samples_c[:queries], **known)


def _told(found: Findings, defect: Defect) -> bool:
    levels = ("error",) if defect.level == "error" else ("warning", "error")
    return any(finding.name in defect.findings and finding.level in levels for finding in found)
