"""Tables of `explore` by hand, its verdicts, and its parts end to end on a tiny scale."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml

from ucl.experiments.explore import probing, properties, summary
from ucl.experiments.explore.claims import claims, elsewhere
from ucl.experiments.explore.comparing import compare
from ucl.experiments.explore.config import Explore
from ucl.experiments.explore.figures import draw_points
from ucl.experiments.explore.names import POINT_PLACES
from ucl.experiments.explore.pointmaze import PointTest, explore_environment
from ucl.experiments.explore.pointmaze_tables import points_metrics, points_runs, tabulate_points
from ucl.experiments.explore.training import World, follow_oracle, references, teach_itself
from ucl.files import write_parquet
from ucl.maze import layouts
from ucl.maze.points.world import Points
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
    found = verdicts([1.0, 0.96, 0.95, 0.97, 0.5], 0.8, 0.95, ["yes"] * 3)
    assert found == [holds, holds, holds, corrected, corrected, holds]  # two properties did not hold in the fork
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


class Drifting(Points):
    """Points in a maze that go an eighth of a cell where they are pushed, unless a wall is there."""

    velocities, horizon, reach = 0, 20, 0.3
    layout = layouts.get("umaze")

    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        moved = states + actions / 8
        rows, columns = np.floor(moved[:, 1]).astype(int), np.floor(moved[:, 0]).astype(int)
        return np.where(self.layout.walls[rows + 1, columns + 1][:, None], states, moved)


def test_points_are_tested_between_different_cells() -> None:
    test = PointTest(Drifting(), 300, 2)
    cells = [{(int(y), int(x)) for x, y in places[0, :, :2]} for places in (test.starts, test.goals)]
    assert cells == [set(map(tuple, Drifting.layout.cells.tolist()))] * 2
    assert not (np.floor(test.starts[0, :, :2]) == np.floor(test.goals[0])).all(1).any()
    assert np.array_equal(test.goals[0], test.goals[1])


def test_agents_in_an_environment_of_others() -> None:
    chosen = section()
    scores = explore_environment(Drifting(), chosen, chosen["pointmaze"], progress=False)
    counts = scores.fillna({"round": 0}).groupby(["method", "round"]).size().to_dict()
    assert counts == {("explored", 1): 8, ("explored", 2): 8, ("controller", 0): 8, ("random", 0): 8}
    assert scores.env_steps.dropna().unique().tolist() == [4 * 4 * 5, 2 * 4 * 4 * 5]  # 20 steps are 4 actions
    assert scores.steps.max() == 20
    assert ((scores.steps < 20) <= (scores.success == 1)).all()


def test_tables_of_points_by_hand() -> None:
    rows = [
        {"environment": "umaze", "method": method, "round": number, "env_steps": taken, "seed": seed, "task": task,
         "success": float(task < good), "steps": 10.0 * (seed + 1), "coverage": seen, "seconds": seconds}
        for method, number, taken, seen, seconds, good in [
            ("explored", 1.0, 50.0, 0.5, 2.0, 1), ("explored", 2.0, 100.0, 0.75, 4.0, 3),
            ("random", np.nan, np.nan, np.nan, np.nan, 1), ("controller", np.nan, np.nan, np.nan, np.nan, 4),
        ]
        for seed in range(4)
        for task in range(4)
    ]  # fmt: skip
    table = tabulate_points(pd.DataFrame(rows))
    assert table.success.tolist() == [0.25, 0.75, 0.25, 1.0]
    assert table.steps.tolist() == [25.0] * 4  # the middle two of 10, 20, 30, 40
    assert table.steps_per_second[1] == pytest.approx(4 * 100 / 4)
    found = points_metrics(table)["umaze"]
    assert found["explored"] == {
        "success": 0.75, "ci95": [0.75, 0.75], "steps": 25.0, "coverage": 0.75, "env_steps": 100, "seeds": 4,
    }  # fmt: skip
    assert set(found["controller"]) == {"success", "ci95", "steps", "seeds"}
    runs = {run.name: run.metrics for run in points_runs(table, section())}
    assert runs["pointmaze umaze explored"]["success"] == [[50, 0.25], [100, 0.75]]
    assert set(runs["pointmaze umaze random"]) == {"success", "steps"}


@pytest.mark.parametrize(
    ("low", "high", "seeds", "expected"),
    [
        (0.96, 0.99, 8, Verdict.HOLDS),
        (0.5, 0.6, 8, Verdict.CORRECTED),
        (0.9, 0.99, 8, Verdict.OPEN),
        (0.96, 0.99, 2, Verdict.OPEN),
    ],
)
def test_the_verdict_on_environments_of_others(low: float, high: float, seeds: int, expected: Verdict) -> None:
    ceiling = {"success": 1.0, "ci95": [1.0, 1.0], "steps": 10.0, "seeds": 8}
    own = {"success": (low + high) / 2, "ci95": [low, high], "seeds": seeds}
    good = {"success": 1.0, "ci95": [1.0, 1.0], "seeds": 8}
    found = elsewhere({"a": {"explored": own, "controller": ceiling}, "b": {"explored": good, "controller": ceiling}})
    assert found.verdict is expected
    less = (low + high) / 2 < 0.95
    assert found.note == ("Less in a." if less else "")
    number = f"{2 - less} of 2 environments; least {(low + high) / 2:.2f} of the controller's success (a)"
    assert found.number == number


@pytest.mark.parametrize("count", [1, 4])
def test_every_environment_of_others_is_drawn(count: int) -> None:
    places = list(POINT_PLACES)[:count]
    rows = [
        {"environment": place, "method": method, "env_steps": taken, "success": value, "steps": 100 * value}
        for number, place in enumerate(places)
        for method, taken, value in [
            ("explored", 1000, 0.1 * number), ("explored", 2000, 0.1 * number + 0.5), ("random", 0, 0.1),
            ("controller", 0, 1.0),
        ]
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    figure = draw_points(table.assign(**{f"{w}_{e}": table[w] for w in ("success", "steps") for e in ("low", "high")}))
    titled = {ax.get_title(): ax.get_lines()[0].get_ydata() for ax in figure.axes if ax.get_title()}
    assert list(titled) == [POINT_PLACES[place] for place in places]
    assert len(figure.axes) == 2 * count
    for number, drawn in enumerate(titled.values()):
        np.testing.assert_allclose(drawn, [0.1 * number, 0.1 * number + 0.5])
    plt.close(figure)
