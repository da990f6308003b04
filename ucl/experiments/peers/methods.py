"""Who saw more than a bridge may, and is shown beside the bridges in `peers`."""

__all__ = ["CEILING", "GIVEN_B", "OF_WORLDS", "REFERENCES"]

CEILING = "ceiling"  # the distilled bridge's networks on true pairs of the scene's embeddings
OF_WORLDS = ("ground_truth", "symile_marginal", "bayes", "symile", "bayes_given_b")
REFERENCES = (CEILING, *OF_WORLDS)
GIVEN_B = {"symile": "bayes_given_b", "bayes_given_b": "bayes_given_b"}  # the query comes with its own B
