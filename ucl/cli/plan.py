"""The command `ucl plan`: what a bridge of any size costs, before it is begun."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ucl.cli.options import Device, Json
from ucl.errors import InputError

if TYPE_CHECKING:
    from ucl.scale.plan import Cost, Size
    from ucl.scale.rates import Rates

__all__ = ["plan"]

Number = Annotated[float | None, typer.Option(help="How many; 1e9 will do.")]


def plan(
    candidates: Number = None,
    queries: Number = None,
    bank: Annotated[float | None, typer.Option(help="Samples of B.")] = None,
    width: Annotated[int, typer.Option(min=1, help="Of the embeddings.")] = 512,
    shards: Annotated[
        int, typer.Option(min=1, help="Of the bank for exact scores, of the candidates for an index.")
    ] = 1,
    kept: Annotated[
        float, typer.Option(help="Share of the bank that matters to a query: `samples` of score(..., tolerance).")
    ] = 0.01,
    rates: Annotated[
        Path | None, typer.Option(help="Unit costs of another machine: a file that --measure wrote.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure unit costs of this machine's core, or of --device, into --rates.")
    ] = False,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Arithmetic, bytes, memory and hours of the exact bridge, of the tolerance path and of a distilled index.

    From unit costs that were measured, of one core and of one GPU (docs/scale.md); --rates stands in for its own kind.

    Example: ucl plan --candidates 1e9 --bank 1e6 --width 512 --queries 1e5
    """
    from ucl.cli.inputs import device_of
    from ucl.files import write_text
    from ucl.scale import plan as plans
    from ucl.scale.rates import Rates
    from ucl.scale.rates import measure as measured

    known = None if measure or rates is None else Rates.load(rates)
    given = {"candidates": candidates, "queries": queries, "bank": bank}
    asked = not measure or any(value is not None for value in given.values())
    counts = {name: _count(name, value) for name, value in given.items()} if asked else {}
    if not 0 < kept <= 1:
        raise InputError(f"--kept must be a share above 0 and at most 1: got {kept}")
    if measure:
        if rates is None:
            raise InputError("--measure writes a file: name it by --rates, as --rates rates.json")
        known = measured(str(device_of(device)))
        write_text(known.to_json(), rates)
    if not asked:
        assert known is not None
        typer.echo(known.to_json().rstrip() if as_json else f"measured on {known.where}: {rates}")
        return
    costs = {kind: Rates.shipped(kind) for kind in ("cpu", "cuda")} | ({known.device: known} if known else {})
    size = plans.Size(width=width, kept=kept, shards=shards, **counts)
    typer.echo(_as_json(size, costs) if as_json else "\n".join(_lines(size, costs)))


def _count(name: str, value: float | None) -> int:
    if value is None or not 1 <= value <= 1e15 or value != int(value):
        raise InputError(f"--{name} must be a whole number from 1 to 1e15: got {value}; as --{name} 1e6")
    return int(value)


def _found(size: "Size", rates: "dict[str, Rates]") -> "tuple[list[Cost], list[float | None]]":
    """The paths on cores, and the hours of each on one GPU (None: an index is searched by CPUs)."""
    from ucl.scale import plan as plans

    on_gpu = plans.paths(size, rates["cuda"])
    hours = [None if cost.path == plans.INDEX else cost.seconds / 3600 for cost in on_gpu]
    return plans.paths(size, rates["cpu"]), hours


def _as_json(size: "Size", rates: "dict[str, Rates]") -> str:
    pairs = zip(*_found(size, rates), strict=True)
    return json.dumps([asdict(cost) | {"node_hours": cost.node_hours(), "gpu_hours": gpu} for cost, gpu in pairs])


def _lines(size: "Size", rates: "dict[str, Rates]") -> list[str]:
    """A table, and which way to go."""
    found, hours = _found(size, rates)
    lines = [f"{size.queries:,} queries, {size.candidates:,} candidates, a bank of {size.bank:,}, width {size.width}"]
    heads = ("products", "exponentials", "bytes moved", "on disk", "memory", "node-hours", "GPU-hours")
    lines.append(f"{'path':20s}" + "".join(f"{head:>14s}" for head in heads) + "  limited by")
    for cost, on_gpu in zip(found, hours, strict=True):
        numbers = [f"{cost.products:.1e}", f"{cost.exponentials:.1e}"]
        numbers += [_bytes(value) for value in (cost.bytes_moved, cost.bytes_kept, cost.memory)]
        numbers += [f"{cost.node_hours():.3g}", "on CPUs" if on_gpu is None else f"{on_gpu:.3g}"]
        lines.append(f"{cost.path:20s}" + "".join(f"{number:>14s}" for number in numbers) + f"  {cost.limit}")
    core, gpu = (rates[kind].where for kind in ("cpu", "cuda"))
    lines.append(f"node-hours on two cores ({core}), hours of one GPU ({gpu})")
    lines.append(f"a share of {size.kept:g} of the bank matters")
    lines.append(_advice(found[0], found[1], min(found, key=lambda cost: cost.seconds)))
    return lines


def _advice(exact: "Cost", retrieve: "Cost", best: "Cost") -> str:
    if exact.node_hours() <= 24:
        return "take the exact scores: a day on one node or less; `ucl score`, in shards where memory is short"
    if retrieve.node_hours() <= 24:
        return "take the best of the exact scores: `ucl retrieve`"
    return f"take the {best.path}, {best.node_hours():.3g} node-hours; exact: {retrieve.node_hours():.3g}"


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if value < 999.5:  # what is rounded to a thousand is one of the next
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} EB"
