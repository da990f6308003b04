"""Who saw more than a bridge may, and is shown beside the bridges in `peers`."""

__all__ = ["GIVEN_B", "REFERENCES"]

REFERENCES = ("ground_truth", "symile_marginal", "bayes", "symile", "bayes_given_b")
GIVEN_B = {"symile": "bayes_given_b", "bayes_given_b": "bayes_given_b"}  # the query comes with its own B
