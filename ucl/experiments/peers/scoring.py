"""Every way to bridge, on the embeddings of one world."""

import time
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ucl.core.critics import CRITICS
from ucl.distilled.ceiling import train_on_pairs
from ucl.experiments.distilling import settings_of
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
    banks = []
    for seed in range(params.seeds):
        for_a, for_c, memory_a, memory_c = (tensors[key][seed] for key in ("for_a", "for_c", "memory_a", "memory_c"))
        ab, bc = (kind(float(tensors[f"scale_{pair}"][seed])) for pair in ("ab", "bc"))
        banks.append(SharedBank(for_a, for_c, ab, bc, memory_a, memory_c))
    rows: list[tuple[int, str, float, float]] = []
    for method in tqdm(PEERS, f"peers, {name}", unit="method", disable=not progress):
        for seed, (peer, seconds) in enumerate(_fitted(method, banks, params)):
            start = time.perf_counter()
            recall = recall_of_groups(peer.score, tensors["a"][seed], tensors["c"][seed], params.candidates)
            rows.append((seed, peer.name, recall, seconds + time.perf_counter() - start))
    rows += [(seed, CEILING, recall, float("nan")) for seed, recall in enumerate(_ceilings(params, tensors))]
    return pd.DataFrame(rows, columns=["seed", "method", "recall_at_1", "seconds"])


def _fitted(method: type[Peer], banks: Sequence[SharedBank], params: Peers) -> Iterator[tuple[Peer, float]]:
    """The method on every seed's bank, and the seconds it took: of a stack of all seeds, a seed's share."""
    start = time.perf_counter()
    if issubclass(method, Distilled):
        if method().applies(banks[0]):
            peers = method.fit_stack(banks, range(len(banks)), settings_of(params.distil_steps, params.pairs))
            share = (time.perf_counter() - start) / len(banks)
            yield from ((peer, share) for peer in peers)
        return
    for bank in banks:
        start, peer = time.perf_counter(), method()
        if peer.applies(bank):
            peer.fit(bank)
            yield peer, time.perf_counter() - start


def _ceilings(params: Peers, tensors: Mapping[str, Tensor]) -> list[float]:
    """Recall@1 per seed of the distilled bridge's networks on true pairs, all seeds as one stack."""
    towers = train_on_pairs(
        tensors["paired_a"], tensors["paired_c"], range(params.seeds), settings_of(params.distil_steps, params.pairs)
    )
    with torch.no_grad():
        scores = towers.encode("a", tensors["a"]) @ towers.encode("c", tensors["c"]).mT
    return recall_in_groups(scores, params.candidates).double().tolist()
