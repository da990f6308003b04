"""Experiment `marginals`: are representations uniform on the sphere, or Gaussian? (section 6.2.2, appendix C.3, Fig. 7)

The tests are judged first (`ucl.power`: what they reject on data whose law is known), then used on the representations
of trained models.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.config import Marginals
from ucl.critics import CRITICS
from ucl.gaussian import GaussianWorld
from ucl.power import LEVEL
from ucl.runtime import generator
from ucl.synthetic import streams
from ucl.trials import train_boxes
from ucl.uniformity import (
    alignment,
    anchor_log_means,
    gaussianity,
    published_ks,
    sphericity,
    uniformity,
)

__all__ = ["inspect", "learn", "sizes", "summarise", "tabulate"]

MODALITIES = ("a", "b", "c")
VARIES = 0.01  # of the largest singular value: directions below are constant but for rounding, and are left out


def learn(params: Marginals, critic: str, dimension: int, progress: bool = True) -> dict[str, Tensor]:
    """Train a model with a shared encoder of B and represent held-out points.

    Returns `a`, `b`, `c` [S, n, d] (row i belongs to row i), `bank` [S, m, d] and `scale` [S].
    """
    params = params.model_copy(update={"dimension": dimension})
    dims = (params.dims.a, params.dims.b, params.dims.c)
    world = GaussianWorld.draw(streams(params.seeds, "world"), dims, params.noise)
    draws = {draw: world.sample(params.pairs, streams(params.seeds, draw)) for draw in ("ab", "bc")}
    points = world.sample(params.validation, streams(params.seeds, "validation"))
    bank = world.sample(params.bank, streams(params.seeds, "bank")).b
    model = train_boxes(params, critic, draws, progress=f"train {critic}, d = {dimension}" if progress else None).ab
    with torch.no_grad():
        tensors = {m: model.encode(m, getattr(points, m)) for m in MODALITIES} | {"bank": model.encode("b", bank)}
    return tensors | {"scale": torch.as_tensor(model.critic.scale)}


def inspect(params: Marginals, critic: str, tensors: Mapping[str, Tensor]) -> pd.DataFrame:
    """Every test on every modality and seed, and what contrastive representations should be.

    A table seed, modality, quantity, p_value, value: for tests the effect size, else the quantity and no p-value. Tests
    of uniformity see the representations normalised; tests of normality see them as they are, in the directions
    in which they vary.
    """
    rows: list[tuple[int, str, str, float | None, float]] = []
    for seed in range(len(tensors["scale"])):
        own = {m: tensors[m][seed, : params.tested] for m in MODALITIES}
        for modality, x in own.items():
            for name, p_value, effect in _tests(x, params.draws, seed):
                rows.append((seed, modality, name, p_value, effect))
            rows.append((seed, modality, "uniformity", None, float(uniformity(x))))
        for modality in ("a", "c"):
            rows.append((seed, modality, "alignment", None, float(alignment(own[modality], own["b"]))))
            scores = CRITICS[critic](float(tensors["scale"][seed]))(own[modality], tensors["bank"][seed])
            rows.append((seed, modality, "anchor_spread", None, float(anchor_log_means(scores).std())))
    return pd.DataFrame(rows, columns=["seed", "modality", "quantity", "p_value", "value"])


def _tests(x: Float[Tensor, "n d"], draws: int, seed: int) -> list[tuple[str, float, float]]:
    unit = torch.nn.functional.normalize(x, dim=-1)
    outcomes = sphericity(unit) | gaussianity(_varying(x), draws=draws)
    found = [(name, float(outcome.p_value), float(outcome.effect)) for name, outcome in outcomes.items()]
    reading = float(published_ks(unit, generator=generator(seed, len(x))))
    return [*found, ("published_ks", reading, reading)]


def _varying(x: Float[Tensor, "n d"]) -> Float[Tensor, "n r"]:
    """Coordinates along the principal directions that carry anything: the tests of normality are affine invariant."""
    u, s, _ = torch.linalg.svd((x - x.mean(0)).double(), full_matrices=False)
    return u[:, s > VARIES * s[0]]


def sizes(rejections: pd.DataFrame) -> pd.DataFrame:
    """Share of rejections and the half-width of its 95 % interval, added to a table of `ucl.power`."""
    share = rejections["rejections"] / rejections["samples"]
    width = 1.96 * (share * (1 - share) / rejections["samples"]).pow(0.5)
    return rejections.assign(rejected=share, ci95=width)


def summarise(rejections: pd.DataFrame, example: pd.DataFrame, inspected: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Everything as `{size: {test: {d: {rejected, ci95, samples}}}, power: {alternative: {test: {d: ...}}},
    example: {test: {median_p, rejected}}, representations: {critic: {modality: {quantity: {value, sd, median_p,
    rejected}}}}}`.
    """
    table = sizes(rejections)
    nulls = {"uniform", "Gaussian"}
    power = {
        str(name): _by_test(rows) for name, rows in table.groupby("alternative", sort=False) if str(name) not in nulls
    }
    judged: list[Any] = example.to_dict("records")
    shares = {e["test"]: {"median_p": e["median_p"], "rejected": e["rejections"] / e["samples"]} for e in judged}
    return {
        "size": _by_test(table[table["alternative"].isin(nulls)]),
        "power": power,
        "example": shares,
        "representations": {critic: _representations(rows) for critic, rows in inspected.items()},
    }


def tabulate(summary: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables for the report: the size of every test by dimension, and the representations of every critic."""
    size_rows = []
    for test, by_d in summary["size"].items():
        cells = {f"d = {d}": f"{100 * e['rejected']:.1f} ± {100 * e['ci95']:.1f}" for d, e in by_d.items()}
        size_rows.append({"test": test} | cells)
    rows = []
    for critic, modalities in summary["representations"].items():
        for modality, quantities in modalities.items():
            rows.append({"critic": critic, "modality": modality} | {q: _cell(e) for q, e in quantities.items()})
    return pd.DataFrame(size_rows).fillna(""), pd.DataFrame(rows).fillna("")


def _by_test(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    rows: list[Any] = table.to_dict("records")
    for row in rows:
        found.setdefault(row["test"], {})[str(row["d"])] = {key: row[key] for key in ("rejected", "ci95", "samples")}
    return found


def _representations(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for (modality, quantity), rows in table.groupby(["modality", "quantity"], sort=False):
        p = rows["p_value"].dropna().astype(float)
        found.setdefault(str(modality), {})[str(quantity)] = {
            "value": float(rows["value"].mean()),
            "sd": float(rows["value"].std()) if len(rows) > 1 else 0.0,
            "median_p": float(p.median()) if len(p) else None,
            "rejected": float((p <= LEVEL).mean()) if len(p) else None,
        }
    return found


def _cell(entry: Mapping[str, float | None]) -> str:
    """The effect size and in how many of the seeds the test rejects; without a p-value the quantity alone."""
    if entry["rejected"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} ({100 * entry['rejected']:.0f} %)"
