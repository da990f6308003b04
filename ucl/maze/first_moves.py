"""Where walks from one place turn first: from a table of them alone, without what agents are made of."""

import pandas as pd

__all__ = ["first_moves"]

FIRST = 6  # steps in which an agent shows where it wants to go


def first_moves(paths: pd.DataFrame) -> pd.DataFrame:
    """Per policy: share of walks that are further left (and right) after the first steps, success, steps."""
    rows = []
    for policy, part in paths.groupby("policy", sort=False):
        each = part.sort_values("step").groupby(["seed", "walk"])
        early = part[part["step"] <= FIRST].sort_values("step").groupby(["seed", "walk"])["x"]
        moved = early.last() - early.first()
        rows.append(
            {
                "policy": policy,
                "walks": len(moved),
                "left_first": float((moved < -0.25).mean()),
                "right_first": float((moved > 0.25).mean()),
                "success": float(each["success"].first().mean()),
                "steps": float(each["step"].last().mean()),
            }
        )
    return pd.DataFrame(rows)
