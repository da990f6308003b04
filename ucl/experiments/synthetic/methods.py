"""The methods that `synthetic` compares, in the order of its tables."""

from ucl.reporting.keys import MONTE_CARLO

__all__ = ["METHODS", "REFERENCE"]

REFERENCE = "ground_truth"  # the model trained on (A, C) itself, with the L2 critic as published
METHODS = ("direct", *MONTE_CARLO, REFERENCE, "bayes")
