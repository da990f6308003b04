"""Names of the methods of `bridging`, in the order of its tables."""

__all__ = ["METHODS", "PAIRED"]

METHODS = (
    "direct_disparate",
    "monte_carlo_disparate",
    "distilled_disparate",
    "direct_joint",
    "monte_carlo_joint",
    "ground_truth",
)
# The ImageBind role on images and texts, which it was trained on (as the original was): a baseline of Fig. 6.
PAIRED = "direct_joint_paired"
