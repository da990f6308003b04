"""What the paper claims of real media, and what holds for the suites that were run (6.2.1, Fig. 6)."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import above, every, level, mean, told, verdict
from ucl.reporting.claims import Claim

__all__ = ["claims"]

NEAR = 0.1  # of Recall@1


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """A row a suite for sound and image through words, and one for other modalities in the middle."""
    seeds = params["seeds"]
    rows = [_through_words(suite, tasks["audio_to_image"], seeds) for suite, tasks in metrics.items() if _has(tasks)]
    joint = {
        suite: tasks for suite, tasks in metrics.items() if _has(tasks) and "direct_joint" in tasks["audio_to_image"]
    }
    return rows + [_beside_joint(suite, tasks, seeds) for suite, tasks in joint.items()]


def _has(tasks: Mapping[str, Any]) -> bool:
    return "monte_carlo_disparate" in tasks.get("audio_to_image", {})


def _through_words(suite: str, methods: Mapping[str, Any], seeds: int) -> Claim:
    direct, bridge = (mean(methods[name], seeds) for name in ("direct_disparate", "monte_carlo_disparate"))
    chance = 1 / methods["monte_carlo_disparate"]["candidates"]
    apart = every([direct.low <= chance * 1.5, above(bridge, direct)])
    return Claim(
        "6.2.1",
        "Two models that meet in text alone: direct comparison is at chance, LogSumExp over texts joins them.",
        verdict(apart, above(bridge, direct)),
        f"{told(bridge)} LogSumExp, {told(direct)} direct",
        "bridging_audio_image",
        note=f"Sound to image, {suite}, {methods['monte_carlo_disparate']['candidates']} candidates.",
    )


def _beside_joint(suite: str, tasks: Mapping[str, Any], seeds: int) -> Claim:
    found = {
        task: level(mean(methods["monte_carlo_disparate"], seeds), mean(methods["direct_joint"], seeds), NEAR)
        for task, methods in tasks.items()
        if {"monte_carlo_disparate", "direct_joint"} <= methods.keys()
    }
    near = [task for task, answer in found.items() if answer]
    return Claim(
        "Fig. 6",
        "Whatever modality is in the middle, LogSumExp is close to a joint model.",
        verdict(every(found.values()), len(near) > 0),
        f"shown in {len(near)} of {len(found)} tasks",
        "bridging_swapped",
        note=f"{suite}; close: within {NEAR} of Recall@1.",
    )
