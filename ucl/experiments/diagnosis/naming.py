"""What cases are called, and which cases say what of Assumption 1; no torch, for whoever draws."""

from ucl.experiments.scenes import SCENES

__all__ = ["INDEPENDENT", "METHODS_LEFT_OUT", "case_title", "is_broken"]

INDEPENDENT = tuple(name for name, scene in SCENES.items() if scene.world == "gaussian")  # Assumption 1 holds exactly
# Two that lose in `peers`, two that are never the best there, and two whose training would take longer than the rest.
METHODS_LEFT_OUT = ("monte_carlo_unscaled", "one_hop", "relative", "asif", "distilled", "distilled_linear")


def is_broken(case: str) -> bool:
    """Whether A and C depend on each other beyond B; with several modes they hardly do, and neither list has it."""
    return case not in SCENES or SCENES[case].world in ("dependent", "xor")


def case_title(case: str) -> str:
    """The title of a scene, or of `dependent` with a size of the shared noise of its own."""
    if case in SCENES:
        return SCENES[case].title
    return f"{SCENES['dependent'].title}, sd {float(case.removeprefix('dependent_')):g}"
