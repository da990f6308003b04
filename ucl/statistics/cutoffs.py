"""The ranks at which recall is told: in a module without torch, for the tables that only name them."""

__all__ = ["KS"]

KS = (1, 5, 10)
