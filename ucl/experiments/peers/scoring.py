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
from ucl.statistics.retrieval import recall_in_groups, recall_of_groups

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


def _ceilings(params: Peers, tensors: Mapping[str, Tensor]) -> list[float]:
    """Recall@1 per seed of the distilled bridge's networks on true pairs, all seeds as one stack."""
    towers = train_on_pairs(tensors["paired_a"], tensors["paired_c"], range(params.seeds), _settings(params))
    with torch.no_grad():
        scores = towers.encode("a", tensors["a"]) @ towers.encode("c", tensors["c"]).mT
    return recall_in_groups(scores, params.candidates).double().tolist()


def _time(
    peer: Peer, bank: SharedBank, a: Float[Tensor, "n d1"], c: Float[Tensor, "n d2"], candidates: int
) -> tuple[float, float]:
    """Recall@1 within groups of candidates, and the seconds it took to fit and to score them."""
    start = time.perf_counter()
    peer.fit(bank)
    recall = recall_of_groups(peer.score, a, c, candidates)
    return recall, time.perf_counter() - start
