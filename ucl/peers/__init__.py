"""Every way to bridge that we know of, behind one interface: `fit(bank)`, then `score(a, c)` or `retrieve(a, c, k)`.

    from ucl.peers import Ridge, SharedBank
    best = Ridge().fit(SharedBank(for_a, for_c, ab, bc)).retrieve(a, c, k=5)  # best.indices, best.scores

Symile, which needs triples, is no bridge and has an interface of its own (`ucl.learning.symile`).
"""

from ucl.peers.base import Best, Peer, SharedBank
from ucl.peers.c_mcr import CMCR
from ucl.peers.closed_forms import Lemma2, Lemma3
from ucl.peers.direct import Direct
from ucl.peers.distilled import Distilled, DistilledLinear
from ucl.peers.maps import CCA, Barycentre, Procrustes, Ridge
from ucl.peers.monte_carlo import MonteCarlo, MonteCarloNormalized, MonteCarloUnscaled, OneHop, TopK
from ucl.peers.relative import ASIF, RelativeRepresentations

__all__ = [
    "ASIF",
    "CCA",
    "CMCR",
    "PEERS",
    "Barycentre",
    "Best",
    "Direct",
    "Distilled",
    "DistilledLinear",
    "Lemma2",
    "Lemma3",
    "MonteCarlo",
    "MonteCarloNormalized",
    "MonteCarloUnscaled",
    "OneHop",
    "Peer",
    "Procrustes",
    "RelativeRepresentations",
    "Ridge",
    "SharedBank",
    "TopK",
]

PEERS: tuple[type[Peer], ...] = (
    Direct,
    MonteCarloUnscaled,
    MonteCarlo,
    MonteCarloNormalized,
    TopK,
    OneHop,
    Lemma2,
    Lemma3,
    Barycentre,
    Procrustes,
    CCA,
    Ridge,
    RelativeRepresentations,
    ASIF,
    CMCR,
    DistilledLinear,
    Distilled,
)
