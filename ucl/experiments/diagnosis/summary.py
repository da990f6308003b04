"""Metrics, tables and runs of `diagnosis`: what was said, beside what was true."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ucl.experiments.diagnosis.naming import INDEPENDENT, case_title, is_broken
from ucl.files import read_parquet
from ucl.reporting.collected import Collected, Files
from ucl.reporting.tracking import Run, flatten
from ucl.statistics.intervals import share_half_width, student_half_width

__all__ = ["choices", "collect", "coverages", "defects", "predictions", "tests"]

LEVEL = 0.05  # of the test of Assumption 1
FAR_BEHIND = 0.05  # of recall: where direct comparison is chosen and this far behind, the choice is counted as wrong
Frames = Mapping[str, pd.DataFrame]  # by case


def choices(predicted: Frames, verdicts: Frames, among: int) -> pd.DataFrame:
    """A row per case and seed: case, seed, verdict, chosen, recall, best, best_recall, regret, direct_regret.

    `best` is the method with the highest mean recall over the case's seeds, of those that the diagnosis looks at; who
    is given no method is left with chance. `regret` is what the best has more on that seed: below nought by luck.
    """
    rows = []
    for case, frame in predicted.items():
        recalls = frame[frame["pairs"]].pivot_table(index="seed", columns="method", values="actual")
        best = str(recalls.mean().idxmax())
        said: list[Any] = list(verdicts[case].itertuples())
        for own in said:
            known = recalls.loc[own.seed]
            recall = float(known[own.method]) if own.method else 1 / among
            found = {"case": case, "seed": own.seed, "verdict": own.verdict, "chosen": own.method or own.verdict}
            found |= {"recall": recall, "best": best, "best_recall": float(known[best])}
            rows.append(found | {"regret": known[best] - recall, "direct_regret": known[best] - known.get("direct", 0)})
    return pd.DataFrame(rows)


def predictions(predicted: Frames) -> pd.DataFrame:
    """A row per case, with and without held-out pairs: mean error, mean absolute error, coverage, and bounds that hold.

    `recall_holds` and `low_holds` are the shares of methods and seeds whose predicted recall, and whose lower end of
    the interval, is at most the actual recall.
    """
    rows = []
    for case, frame in predicted.items():
        for pairs, own in frame.groupby("pairs", sort=False):
            error = own["predicted"] - own["actual"]
            rows.append(
                {
                    "case": case,
                    "pairs": bool(pairs),
                    "mean_error": error.mean(),
                    "mean_absolute_error": error.abs().mean(),
                    "coverage": own["actual"].between(own["low"], own["high"]).mean(),
                    "recall_holds": (own["predicted"] <= own["actual"]).mean(),
                    "low_holds": (own["low"] <= own["actual"]).mean(),
                }
            )
    return pd.DataFrame(rows)


def tests(tested: Frames) -> pd.DataFrame:
    """A row per case and number of known pairs: share of draws in which the test rejects Assumption 1."""
    frames = []
    for case, frame in tested.items():
        rejected = (frame["p_value"] < LEVEL).groupby(frame["pairs"]).agg(["mean", "size"])
        found = pd.DataFrame({"pairs": rejected.index, "rejected": rejected["mean"].to_numpy()})
        frames.append(found.assign(case=case, draws=rejected["size"].to_numpy()))
    table = pd.concat(frames, ignore_index=True)
    table["ci95"] = share_half_width(table["rejected"], table["draws"])
    return table[["case", "pairs", "rejected", "ci95", "draws"]]


def defects(spoilt: Frames) -> pd.DataFrame:
    """A row per defect and scene, and one over `all` scenes: shares found and of false alarms, and how many checks."""
    table = pd.concat([frame.assign(scene=scene) for scene, frame in spoilt.items()], ignore_index=True)
    table = pd.concat([table, table.assign(scene="all")])
    grouped = table.groupby(["defect", "scene"], sort=False)
    found = grouped.agg(found=("found", "mean"), false_alarms=("false_alarm", "mean"), checks=("found", "size"))
    return found.reset_index()


def coverages(covered: Frames) -> pd.DataFrame:
    """A row per Gaussian case and kind of score: shares of entries called reliable, and of intervals that cover."""
    rows = []
    for case, frame in covered.items():
        for normalized, own in frame.groupby("normalized", sort=False):
            sums = own[["entries", "reliable", "covered", "covered_all"]].sum()
            found = {"case": case, "normalized": bool(normalized), "reliable": int(sums["reliable"])}
            found["share_reliable"] = sums["reliable"] / sums["entries"]
            found["coverage_reliable"] = sums["covered"] / sums["reliable"] if sums["reliable"] else float("nan")
            rows.append(found | {"coverage_all": sums["covered_all"] / sums["entries"]})
    return pd.DataFrame(rows)


def summarise(
    chosen: pd.DataFrame, predicted: pd.DataFrame, spoilt: pd.DataFrame, tested: pd.DataFrame, covered: pd.DataFrame
) -> dict[str, Any]:
    """The metrics: means over seeds; of standard errors the coverage of the worst case, and the mean share of reliable.

    The size is that over all Gaussian cases in which Assumption 1 holds, and all numbers of pairs; where it is broken,
    the rejections are the power. `chosen` is the most frequent choice. A number that nothing tells is None.
    """
    choice = {
        str(case): {
            "regret": float(own["regret"].mean()),
            "best": str(own["best"].iloc[0]),
            "chosen": str(own["chosen"].mode().iloc[0]),
        }
        for case, own in chosen.groupby("case", sort=False)
    }
    holds = tested["case"].isin(INDEPENDENT)
    power: dict[str, dict[str, float]] = {}
    broken: list[Any] = list(tested[tested["case"].map(is_broken)].itertuples())
    overall: list[Any] = list(spoilt[spoilt["scene"] == "all"].itertuples())
    for row in broken:
        power.setdefault(str(row.case), {})[str(row.pairs)] = float(row.rejected)
    with_pairs = predicted[predicted["pairs"]]
    return {
        "choice": choice,
        "predicted": {name: _mean(with_pairs[name]) for name in ("mean_absolute_error", "coverage")},
        "defects": {
            row.defect: {"found": float(row.found), "false_alarms": float(row.false_alarms)} for row in overall
        },
        "assumption_1": {"size": _mean(tested[holds]["rejected"]), "power": power},
        "standard_error": {
            "coverage_reliable": _plain(covered["coverage_reliable"].min()) if len(covered) else None,
            "share_reliable": _mean(covered["share_reliable"]) if len(covered) else None,
        },
    }


def headline(chosen: pd.DataFrame, predicted: pd.DataFrame, metrics: Mapping[str, Any]) -> dict[str, float]:
    """The handful that DVC compares; what nothing tells is left out."""
    regrets = [entry["regret"] for entry in metrics["choice"].values()]
    wrong = (chosen["chosen"] == "direct") & (chosen["direct_regret"] > FAR_BEHIND)
    found = {
        "mean_regret": sum(regrets) / len(regrets),
        "worst_regret": max(regrets),
        "wrong_direct": float(wrong.mean()),
        "prediction_error": metrics["predicted"]["mean_absolute_error"],
        "prediction_coverage": metrics["predicted"]["coverage"],
        "bound_holds": _mean(predicted[~predicted["pairs"]]["recall_holds"]),
        "test_size": metrics["assumption_1"]["size"],
        "reliable_coverage": metrics["standard_error"]["coverage_reliable"],
    }
    return {name: value for name, value in found.items() if value is not None}


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `predictions`, `verdicts` and `tests`, a file of each for each case; `defects` of the scenes that were
    spoilt, and `covered` of the Gaussian cases. The name of a case is that of its file, without suffixes.
    """
    read = {name: {_case(file): read_parquet(file) for file in files.get(name, ())} for name in KINDS}
    chosen = choices(read["predictions"], read["verdicts"], section["candidates"])
    predicted, tested = predictions(read["predictions"]), tests(read["tests"])
    spoilt = defects(read["defects"])
    covered = coverages(read["covered"])
    metrics = summarise(chosen, predicted, spoilt, tested, covered)
    points = pd.concat([own.assign(case=case) for case, own in read["predictions"].items()], ignore_index=True)
    return Collected(
        metrics=metrics,
        headline=headline(chosen, predicted, metrics),
        tables={
            "diagnosis_choice": tabulate_choices(chosen),
            "diagnosis_predicted": predicted,
            "diagnosis_assumption_1": tested,
            "diagnosis_defects": spoilt,
            "diagnosis_standard_error": covered,
        },
        runs=_runs(metrics, predicted, section),
        frames={"points": points, "choices": chosen},
    )


KINDS = ("predictions", "verdicts", "tests", "defects", "covered")


def tabulate_choices(chosen: pd.DataFrame) -> pd.DataFrame:
    """A row per case: the best method with its recall, what was chosen how often, and the mean loss."""
    rows = []
    for case, own in chosen.groupby("case", sort=False):
        counts = own["chosen"].value_counts()
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        wrong = (own["chosen"] == "direct") & (own["direct_regret"] > FAR_BEHIND)
        found = {"world": case_title(str(case)), "best": own["best"].iloc[0], "best_recall": own["best_recall"].mean()}
        found |= {"chosen": said, "regret": own["regret"].mean(), "ci95": student_half_width(own["regret"])}
        rows.append(found | {"direct_regret": own["direct_regret"].mean(), "wrong_direct": wrong.mean()})
    return pd.DataFrame(rows)


def _runs(metrics: Mapping[str, Any], predicted: pd.DataFrame, section: Mapping[str, Any]) -> Sequence[Run]:
    """A run per case."""
    params, runs = flatten(section, "diagnosis"), []
    for case, entry in metrics["choice"].items():
        own = predicted[predicted["pairs"] & (predicted["case"] == case)].iloc[0]
        numbers = {name: float(own[name]) for name in ("mean_error", "mean_absolute_error", "coverage")}
        numbers["regret"] = entry["regret"]
        tags = {"rule": "judge_diagnosis", "wildcards": f"case={case}"}
        history = {name: [[0, value]] for name, value in numbers.items()}
        runs.append(Run(case, params | {"case": case, "method": entry["chosen"]}, history, tags))
    return runs


def _case(file: Any) -> str:
    """`results/diagnosis/dependent_1.0.tests.parquet` holds `dependent_1.0`."""
    return str(file.name).removesuffix(".parquet").rsplit(".", 1)[0]


def _mean(values: pd.Series) -> float | None:
    return _plain(values.mean()) if len(values) else None


def _plain(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
