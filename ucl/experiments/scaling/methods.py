"""The banks that `scaling` compares."""

__all__ = ["BANKS"]

BANKS = ("uniform", "real", "real_normalized")  # on the sphere; samples of B; the same, normalised per anchor
