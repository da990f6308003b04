"""What the tests of `marginals` and the summary of what they reject share."""

__all__ = ["LEVEL"]

LEVEL = 0.05
