"""What the slides claim of contrastive reinforcement learning, and what holds in these mazes."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.explore.properties import EXPLORATION, INTERPOLATION, NEITHER, TRIANGLES, YES
from ucl.experiments.verdicts import every, of_seeds, verdict
from ucl.reporting.claims import Claim

__all__ = ["claims", "elsewhere"]

AS_GOOD = 0.95  # of the oracle-trained agents' success
MOST = 0.8  # of the mazes
LEFT = 0.5  # of the walks
EXACT = 0.9  # of the counts, of which 0.95 and more are expected
SLIDES = "slides"
# What was seen before mazes were settled (docs/maze.md): a claim that holds in those chosen is not one of all.
ELSEWHERE = {
    EXPLORATION: "In the maze chosen; not in the fork, which was asked first.",
    INTERPOLATION: "In the mazes chosen, by longer ways in large ones; in the fork way-points cost success.",
}


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """Reaching points, words, the identity, the three properties, and environments of others if they were run."""
    seeds = params["seeds"]
    return [
        _reaching(csv("explore_success"), seeds),
        _words(csv("explore_words"), csv("explore_first_column"), seeds),
        _identity(csv("explore_identity")),
        *_properties(csv("explore_properties")),
        *([elsewhere(metrics["pointmaze"])] if "pointmaze" in metrics else []),
    ]


def _reaching(table: pd.DataFrame, seeds: int) -> Claim:
    good = int((table.of_oracle_trained >= AS_GOOD).sum())
    return Claim(
        SLIDES,
        "Without reward, demonstration or oracle an agent learns to reach points as well as one trained on an oracle's "
        f"walks ({AS_GOOD:.0%} of its success in {MOST:.0%} of the mazes).",
        verdict(of_seeds(good >= MOST * len(table), seeds), good > 0),
        f"{good} of {len(table)} mazes; least {table.of_oracle_trained.min():.2f} of the oracle-trained success",
        "explore_reaching",
        new=True,
    )


def _words(table: pd.DataFrame, first: pd.DataFrame, seeds: int) -> Claim:
    own = table[table.instructions == "ambiguous"].set_index("policy")
    apart = [own[f"{what}_low"]["monte_carlo"] > own[f"{what}_high"]["direct"] for what in ("success", "spl")]
    longer = bool(own["spl_high"]["monte_carlo"] < own["spl_low"]["direct"])
    left = first.set_index("policy").left_first["monte_carlo"]
    gains = [own[what]["monte_carlo"] - own[what]["direct"] for what in ("success", "spl")]
    return Claim(
        "6.3, without an oracle",
        "LogSumExp follows ambiguous instructions better than direct comparison, and told “the first column” it goes "
        "left first.",
        verdict(
            of_seeds(any(apart) and not longer and bool(left >= LEFT), seeds),
            of_seeds(any(apart) or bool(left >= LEFT), seeds),
        ),
        f"success {gains[0]:+.2f}, SPL {gains[1]:+.2f}; {100 * left:.0f} % of walks left",
        "explore_paths",
        note="By longer ways." if longer else "",
        new=True,
    )


def _identity(table: pd.DataFrame) -> Claim:
    return Claim(
        SLIDES,
        "Q = exp(f) rho, for a random-goal policy that changes from round to round.",
        verdict(every(bool(share >= EXACT) for share in table.within)),
        f"{100 * table.within.min():.0f} % of counts within 95 % of the exact Q's draws; the learned Q is off by "
        f"{table.learned.max():.2f} in total variation (rho alone: {table.chance.min():.2f})",
        new=True,
    )


def _properties(table: pd.DataFrame) -> list[Claim]:
    figures = {
        EXPLORATION: "explore_seeking",
        INTERPOLATION: "explore_way_points",
        TRIANGLES: "explore_comparison",
    }
    found = []
    for name, figure in figures.items():
        own = table[table["property"] == name]
        yes = int((own.answer == YES).sum())
        holds = None if (own.answer == NEITHER).all() else yes == len(own) and name not in ELSEWHERE
        number = f"yes in {yes} of {len(own)} comparisons"
        claim, note = f"{name[0].upper()}{name[1:]}.", ELSEWHERE.get(name, "")
        found.append(Claim(SLIDES, claim, verdict(holds, yes > 0), number, figure, note, new=True))
    return found


def elsewhere(environments: Mapping[str, Mapping[str, Any]]) -> Claim:
    """In each environment: whether the interval of success lies on one side of `AS_GOOD` of the controller's."""
    answers, shares = [], {}
    for name, own in environments.items():
        ceiling, (low, high) = own["controller"]["success"], own["explored"]["ci95"]
        found = True if low >= AS_GOOD * ceiling else False if high < AS_GOOD * ceiling else None
        answers.append(None if found is None else of_seeds(found, own["explored"]["seeds"]))
        shares[name] = own["explored"]["success"] / ceiling
    worst, less = min(shares, key=lambda name: shares[name]), [name for name in shares if shares[name] < AS_GOOD]
    return Claim(
        SLIDES,
        "In environments of others (PointMaze, MuJoCo) the same agent, by the same settings, reaches points as well as "
        f"a controller that knows the map ({AS_GOOD:.0%} of its success).",
        verdict(every(answers), any(answers)),
        f"{len(shares) - len(less)} of {len(shares)} environments; "
        f"least {shares[worst]:.2f} of the controller's success ({worst})",
        "explore_pointmaze",
        note=f"Less in {', '.join(less)}." if less else "",
        new=True,
    )
