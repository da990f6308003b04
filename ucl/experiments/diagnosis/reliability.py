"""Whether the standard errors of answers that are called reliable cover the score of a bank that hardly has one."""

import warnings
from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ucl.core.bridge import Bridge
from ucl.core.reliability import ThinBankWarning
from ucl.experiments.diagnosis.embeddings import Embeddings
from ucl.statistics.intervals import NORMAL

__all__ = ["cover"]


def cover(scene: str, tensors: Mapping[str, Tensor], progress: bool = True) -> pd.DataFrame:
    """A row per seed and per kind of score: seed, normalized, entries, reliable, covered, covered_all.

    `entries` are those of the grid, `reliable` how many are called so, `covered` how many of these hold the score of
    the large bank in their 95 % interval, `covered_all` how many of all entries do.
    """
    q = slice(0, tensors["large_pairs"].shape[1])
    rows = []
    for seed in tqdm(range(len(tensors["a"])), f"standard errors, {scene}", unit="seed", disable=not progress):
        own = Embeddings.of(scene, tensors, seed)
        large, of_a, of_c = (tensors[f"large_{part}"][seed] for part in ("pairs", "a", "c"))
        for normalize in (False, True):
            truth = large - of_a[:, None] - of_c if normalize else large
            bridge = Bridge(own.ab, own.bc, own.bank, normalize=normalize, dtype="float64")
            result = bridge.score(own.a[q], own.c[q], progress=False)
            held = (result.scores - truth).abs() <= NORMAL * result.standard_error
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ThinBankWarning)  # counted here instead
                sound = torch.as_tensor(result.reliable)
            counts = (held.numel(), int(sound.sum()), int((held & sound).sum()), int(held.sum()))
            rows.append((seed, normalize, *counts))
    return pd.DataFrame(rows, columns=["seed", "normalized", "entries", "reliable", "covered", "covered_all"])
