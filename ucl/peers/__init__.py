"""Every way to bridge that we know of, behind one interface: `fit(bank)`, then `score(a, c)`.

Symile, which needs triples, is no bridge and has an interface of its own (`ucl.peers.symile`).
"""

from ucl.peers.base import Peer, SharedBank
from ucl.peers.c_mcr import CMCR
from ucl.peers.closed_forms import Lemma2, Lemma3
from ucl.peers.direct import Direct
from ucl.peers.distilled import Distilled, DistilledLinear
from ucl.peers.maps import CCA, Barycentre, Procrustes, Ridge
from ucl.peers.monte_carlo import MonteCarlo, MonteCarloNormalized, MonteCarloUnscaled, OneHop, TopK
from ucl.peers.relative import ASIF, RelativeRepresentations

__all__ = ["PEERS", "Peer", "SharedBank"]

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
