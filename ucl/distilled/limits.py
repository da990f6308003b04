"""How much is kept apart to judge students by; without torch, as parameters are checked against it."""

__all__ = ["FEWEST", "KEPT", "kept_of"]

FEWEST = 20  # samples of a side or of the bank, below which nothing can be kept apart
KEPT = 0.15  # share of the bank and of both sides' samples that is kept apart ...
MOST = 500  # ... but no more of each than this


def kept_of(samples: int) -> int:
    """How many of so many samples are kept apart."""
    return min(MOST, int(KEPT * samples))
