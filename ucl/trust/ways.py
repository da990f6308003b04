"""How each method that a diagnosis can name is used."""

from ucl.peers import PEERS

__all__ = ["WAYS", "way"]

WAYS = {
    "direct": "`bridge.direct(a, c)`, or A and C in one vector index as they are",
    "monte_carlo_normalized": "`ucl retrieve`, or `bridge.retrieve(a, c)`",
    "monte_carlo": "`ucl retrieve --no-normalize`, or `Bridge(..., normalize=False).retrieve(a, c)`",
    "distilled": "`ucl distill`, `ucl index build`, `ucl search`, or `bridge.distill(a, c)`",
}
CLASSES = {peer.name: peer.__name__ for peer in PEERS}


def way(method: str) -> str:
    """The command or the call that answers by this method; of `ucl.peers` where no command does."""
    if method in WAYS:
        return WAYS[method]
    fit = f"{CLASSES[method]}().fit(SharedBank.of(bank, ab, bc, a, c))"
    return f"in Python alone, of `ucl.peers`, tensors: `{fit}.retrieve(a, c)`"
