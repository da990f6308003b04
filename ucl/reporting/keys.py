"""Keys of protocols and methods in tables, shared by trainings and figures: renaming a label trains nothing."""

__all__ = ["MONTE_CARLO", "PROTOCOLS"]

PROTOCOLS = ("published", "held_out")
MONTE_CARLO = ("monte_carlo_unscaled", "monte_carlo", "monte_carlo_normalized")
