"""Tables of `explore` by hand, its verdicts, and its parts end to end on a tiny scale."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from ucl.experiments.explore import probing, properties, summary
from ucl.experiments.explore.claims import claims
from ucl.experiments.explore.comparing import compare
from ucl.experiments.explore.config import Explore
from ucl.experiments.explore.training import World, follow_oracle, references, teach_itself
from ucl.files import write_parquet
from ucl.reporting.claims import Verdict

ROOT = Path(__file__).parents[2]
PROPERTIES = ["emergent exploration", "planning by interpolation", "triangle inequality"]


def section() -> dict[str, Any]:
    """The smoke test's parameters over those at paper scale."""
    files = ("params.yaml", "tests/smoke/params.yaml")
    paper, tiny = (yaml.safe_load((ROOT / file).read_text())["explore"] for file in files)
    merged = {key: value | tiny.get(key, {}) for key, value in paper.items() if isinstance(value, dict)}
    return Explore.model_validate(paper | tiny | merged).model_dump()


def scores(**methods: list[list[float]]) -> pd.DataFrame:
    """method -> seeds x pairs of success, in one maze; explorers have two rounds, the first without success."""
    rows = []
    for method, table in methods.items():
        for seed, pairs in enumerate(table):
            for task, success in enumerate(pairs):
                row = {"maze": "m", "method": method, "seed": seed, "task": task, "spl": success / 2}
                if method == "explored":
                    extra = {"seconds": 5.0, "coverage": 0.5, "spearman": 0.3}
                    rows.append(row | extra | {"round": 1, "env_steps": 100, "success": 0.0, "spl": 0.0})
                    rows.append(row | extra | {"round": 2, "env_steps": 200, "success": success, "seconds": 10.0})
                else:
                    rows.append(row | {"success": success})
    return pd.DataFrame(rows)


def test_tables_of_agents_by_hand() -> None:
    table = scores(explored=[[1, 1, 0, 1], [1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 0]], oracle_trained=[[1, 1, 1, 1]] * 4)
    agents = summary.by_agent(table)
    found = summary.tabulate_agents(agents)
    own = found.set_index("method").loc["explored"]
    assert own.success == pytest.approx(0.75)  # the middle two of .5, .75, .75, 1
    assert own.success_low <= own.success <= own.success_high
    assert own.steps_per_second == pytest.approx(4 * 200 / 10)
    assert summary.tabulate_success(found).of_oracle_trained[0] == pytest.approx(0.75)
    metrics = summary.metrics(found)["m"]
    assert metrics["explored"]["env_steps"] == 200
    assert metrics["explored"]["coverage"] == pytest.approx(0.5)
    assert set(metrics["oracle_trained"]) == {"success", "ci95", "spl", "seeds"}
    curves = summary.tabulate_curves(agents)
    assert curves["success"].tolist() == pytest.approx([0.0, 0.75])


def seeking(**coverage_and_arrival: tuple[float, float]) -> pd.DataFrame:
    rows = [
        {
            "collector": name,
            "seed": seed,
            "round": number,
            "env_steps": 10 * number,
            "coverage": number * seen,
            "arrival": at,
        }
        for name, (seen, at) in coverage_and_arrival.items()
        for seed in range(4)
        for number in (1, 2)
    ]
    return pd.DataFrame(rows)


def test_properties_say_yes_no_or_neither() -> None:
    found = seeking(one_goal=(0.3, 15.0), visited=(0.2, 12.0), free=(0.2, 12.0), random_walk=(0.3, np.nan))
    planning = pd.DataFrame([{"maze": "m", "success_gain": 0.0, "success_gain_low": -0.1, "success_gain_high": 0.1}])
    shares = [(0.2, 0.1, 0.3), (0.001, 0.0, 0.002)]
    compared = pd.DataFrame(
        [
            {"critic": "l2", "objective": "info_nce", "broken": v, "broken_low": a, "broken_high": b}
            for v, a, b in shares
        ]
    )
    table = properties.tabulate_properties(found, planning, compared)
    assert table.answer.tolist() == ["yes", "no", properties.NEITHER, "yes", properties.NEITHER, "no", "yes"]
    assert table.value[0] == pytest.approx(0.15)
    sought = summary.tabulate_seeking(found).set_index("collector")
    assert sought.median_arrival["visited"] == 12
    assert sought.arrived["random_walk"] == 0
    assert pd.isna(sought.median_arrival["random_walk"])


def verdicts(of_oracle: list[float], left: float, within: float, answers: list[str]) -> list[Verdict]:
    words = {"instructions": "ambiguous", "success_low": 0.6, "success_high": 0.7, "spl_low": 0.3, "spl_high": 0.4}
    tables = {
        "explore_success": pd.DataFrame({"of_oracle_trained": of_oracle}),
        "explore_words": pd.DataFrame(
            [words | {"policy": "direct", "success": 0.65, "spl": 0.35},
             words | {"policy": "monte_carlo", "success": 0.8, "spl": 0.35, "success_low": 0.75}]
        ),
        "explore_first_column": pd.DataFrame({"policy": ["direct", "monte_carlo"], "left_first": [0.0, left]}),
        "explore_identity": pd.DataFrame({"within": [within], "learned": [0.1], "chance": [0.5]}),
        "explore_properties": pd.DataFrame({"property": PROPERTIES, "answer": answers}),
    }  # fmt: skip
    return [claim.verdict for claim in claims({}, {"seeds": 8}, tables.__getitem__)]


def test_verdicts() -> None:
    holds, corrected, fails, neither = Verdict
    assert verdicts([1.0, 0.96, 0.95, 0.97, 0.5], 0.8, 0.95, ["yes"] * 3) == [holds] * 6
    said = [properties.NEITHER, "no", "no"]
    assert verdicts([1.0, 0.5], 0.1, 0.5, said) == [corrected, corrected, fails, neither, fails, fails]


def test_all_parts_from_nothing_to_claims(tmp_path: Path) -> None:
    chosen = section()
    world = World("fork", chosen)
    learner, lived, own, visits = teach_itself(world, progress=False)
    assert visits.groupby("round")["visits"].sum().tolist() == [2 * 16 * 11] * 2  # agents, episodes, states
    tables = {
        "scores": pd.concat([own, follow_oracle(world), references(world)]).assign(maze="fork"),
        "comparison": compare(chosen, chosen["comparison"], "mrn", progress=False),
        "seeking": probing.seek(chosen, progress=False),
        "identity": probing.identities(chosen, progress=False),
        "planned": probing.interpolate(world, learner.model, lived, chosen["planning"]["bank"])[0].assign(maze="fork"),
    }
    told = probing.follow_words(chosen, learner.model.state_dict(), lived, progress=False)
    tables |= dict(zip(("told", "paths"), told, strict=True))
    for name, table in tables.items():
        write_parquet(table, tmp_path / f"{name}.parquet")
    collected = summary.collect({name: [tmp_path / f"{name}.parquet"] for name in tables}, chosen)
    assert set(collected.metrics["fork"]) == {"explored", "oracle_trained", "random", "shortest_path"}
    assert collected.metrics["fork"]["shortest_path"]["success"] == 1
    assert len(claims(collected.metrics, chosen, collected.tables.__getitem__)) == 6
