"""The command `ucl evaluate`: which bridge is best on known pairs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ucl.cli.options import AB, BC, Answers, BankFile, BankForC, Json, Queries, ScaleAB, ScaleBC

if TYPE_CHECKING:
    from ucl.statistics.intervals import Interval
    from ucl.trust.evaluate import Evaluation

__all__ = ["evaluate"]


def evaluate(
    a: Queries,
    c: Answers,
    pairs: Annotated[Path, typer.Option(help="A .csv or .parquet of two columns: ids of A and of C that are pairs.")],
    bank: BankFile,
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    bank_for_c: BankForC = None,
    ab: AB = None,
    bc: BC = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap draws of the intervals.")] = 0,
    as_json: Json = False,
) -> None:
    """Recall and median rank of every bridge on known pairs, with 95 % intervals; the winner and its ties.

    A query may stand in several pairs. Rows without ids are named by their number.

    Example: ucl evaluate images.parquet sounds.parquet --pairs pairs.csv --bank bank/
    """
    from ucl.cli import inputs
    from ucl.cli.pairs import read_pairs
    from ucl.peers import SharedBank
    from ucl.trust.evaluate import evaluate as run

    built = inputs.bank(bank, bank_for_c)
    queries, candidates = inputs.rows(a, "a"), inputs.rows(c, "c")
    critics = inputs.critics(built, ab, ab_scale, bc, bc_scale, queries, candidates)
    known = read_pairs(pairs, queries, candidates)
    x, y = (side.read(0, len(side)) for side in (queries, candidates))
    found = run(SharedBank.of(built, *critics, x, y), x, y, known, seed=seed)
    typer.echo(json.dumps(found.to_json()) if as_json else _text(found))


def _text(found: "Evaluation") -> str:
    lines = [f"{found.queries} queries, {found.candidates} candidates; 95 % intervals over queries"]
    lines.append(f"{'bridge':24s}{'Recall@1':>22s}{'Recall@5':>22s}{'Recall@10':>22s}{'median rank':>22s}")
    for row in found.rows:
        cells = [_cell(row.recall[k], 3).rjust(22) for k in row.recall]
        mark = "winner" if row.bridge == found.winner else "tied" if row.ties else ""
        lines.append(f"{row.bridge:24s}{''.join(cells)}{_cell(row.median_rank, 1):>22s}  {mark}".rstrip())
    lines.append(f"best: {found.winner}; tied with it: {', '.join(found.tied) or 'none'}")
    if found.left_out:
        lines.append(f"not defined for this bank: {', '.join(found.left_out)}")
    return "\n".join(lines)


def _cell(estimate: "Interval", digits: int) -> str:
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"
