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
    rows += [_beside_joint(suite, tasks, seeds) for suite, tasks in joint.items()]
    return rows + (_stamps(metrics["stamps"]) if "stamps" in metrics else [])


def _stamps(tasks: Mapping[str, Any]) -> list[Claim]:
    """Pictures found by spoken words, through captions, on pretrained networks: splits take the place of seeds."""
    heard, new = ({m: mean(e, e["splits"]) for m, e in tasks[task].items()} for task in ("heard_words", "new_words"))
    among = tasks["new_words"]["monte_carlo"]["candidates"]
    return [
        Claim(
            "stamps",
            "Pretrained encoders, real media: spoken words find pictures through captions, where direct comparison "
            "finds nothing.",
            verdict(every(above(own["monte_carlo"], own["direct"]) for own in (heard, new))),
            f"{told(heard['monte_carlo'])} heard, {told(new['monte_carlo'])} new; direct {told(new['direct'])}",
            "bridging_stamps",
            note=f"{among} candidates, chance {1 / among:.2f}.",
            new=True,
        ),
        Claim(
            "stamps",
            "Words that no model was trained on are better found by LogSumExp than by a model of all true pairs.",
            verdict(above(new["monte_carlo"], new["supervised"])),
            f"{told(new['monte_carlo'])} LogSumExp, {told(new['supervised'])} trained on pairs",
            "bridging_stamps",
            new=True,
        ),
    ]


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
