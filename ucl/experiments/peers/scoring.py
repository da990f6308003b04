"""Every way to bridge, on the embeddings of one world."""

import time
from collections.abc import Mapping

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ucl.core.critics import CRITICS
from ucl.distilled.ceiling import train_on_pairs
from ucl.distilled.training import Settings
from ucl.experiments.peers.config import Peers
from ucl.experiments.peers.methods import CEILING
from ucl.experiments.scenes import SCENES
from ucl.peers import PEERS, Peer, SharedBank
from ucl.peers.distilled import Distilled
from ucl.statistics.retrieval import expected_rank, recall_in_groups

__all__ = ["play"]


def play(params: Peers, name: str, tensors: Mapping[str, Tensor], progress: bool = True) -> pd.DataFrame:
    """Every method on every seed of a scene: a table seed, method, recall_at_1, seconds (to fit and to score).

    Methods that are not defined there are left out. `ceiling` is a reference: it is shown true pairs.
    """
    kind = CRITICS[SCENES[name].critic]
    rows: list[tuple[int, str, float, float]] = []
    for seed in tqdm(range(params.seeds), f"peers, {name}", unit="seed", disable=not progress):
        for_a, for_c, memory_a, memory_c = (tensors[key][seed] for key in ("for_a", "for_c", "memory_a", "memory_c"))
        ab, bc = (kind(float(tensors[f"scale_{pair}"][seed])) for pair in ("ab", "bc"))
        bank = SharedBank(for_a, for_c, ab, bc, memory_a, memory_c)
        for method in PEERS:
            peer = method(_settings(params)) if issubclass(method, Distilled) else method()
            if peer.applies(bank):
                recall, seconds = _time(peer, bank, tensors["a"][seed], tensors["c"][seed], params.candidates)
                rows.append((seed, peer.name, recall, seconds))
    rows += [(seed, CEILING, recall, float("nan")) for seed, recall in enumerate(_ceilings(params, tensors))]
    return pd.DataFrame(rows, columns=["seed", "method", "recall_at_1", "seconds"])


def _settings(params: Peers) -> Settings:
    return Settings(steps=params.distil_steps, batch=min(Settings.batch, params.pairs // 4))


@torch.no_grad()
def _ceilings(params: Peers, tensors: Mapping[str, Tensor]) -> list[float]:
    """Recall@1 per seed of the distilled bridge's networks on true pairs, all seeds as one stack."""
    with torch.enable_grad():
        seeds = range(params.seeds)
        towers = train_on_pairs(tensors["paired_a"], tensors["paired_c"], seeds, _settings(params))
    scores = towers.encode("a", tensors["a"]) @ towers.encode("c", tensors["c"]).mT
    return recall_in_groups(scores, params.candidates).double().tolist()


def _time(
    peer: Peer, bank: SharedBank, a: Float[Tensor, "n d1"], c: Float[Tensor, "n d2"], candidates: int
) -> tuple[float, float]:
    """Recall@1 within groups of candidates, and the seconds it took to fit and to score them."""
    start = time.perf_counter()
    peer.fit(bank)
    groups = [slice(i, i + candidates) for i in range(0, len(a) - candidates + 1, candidates)]
    scores = torch.stack([peer.score(a[rows], c[rows]) for rows in groups])
    seconds = time.perf_counter() - start
    return float((expected_rank(scores) <= 1).double().mean()), seconds
