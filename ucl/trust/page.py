"""A diagnosis as one self-contained page: the verdict, and the plots and tables behind it."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from ucl.files import write_text
from ucl.reporting.document import document
from ucl.trust.diagnosis import Diagnosis
from ucl.trust.predict import Prediction

__all__ = ["write_page"]

PLOT = """
svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 13px; } svg .soft { fill: var(--soft); }
svg line { stroke: var(--line); } svg .mark { stroke: var(--mark); stroke-width: 2; } svg circle { fill: var(--mark); }
"""
LEFT, WIDTH, ROW = 190, 640, 24  # of the plot, in pixels
PARTS = {
    "assumption_2": "Assumption 2: critics are log ratios",
    "assumption_3": "Assumption 3: embeddings of B are uniform, or Gaussian",
    "bank": "The bank: LogSumExp over half, all, twice as many samples",
}


def write_page(diagnosis: Diagnosis, path: str | Path) -> None:
    """Write the page; it refers to nothing outside itself."""
    write_text(_page(diagnosis), path)


def _page(diagnosis: Diagnosis) -> str:
    reasons = "".join(f"<li>{escape(line)}</li>" for line in (*diagnosis.reasons, *diagnosis.needs, *diagnosis.steps))
    parts = "".join(
        f"<h2>{escape(PARTS[part])}</h2>{_table([(name, f'{value:.4g}') for name, value in numbers.items()])}"
        for part, numbers in diagnosis.numbers.items()
    )
    return document(
        "ucl diagnose",
        f"<h1>{escape(diagnosis.headline)}</h1><ul>{reasons}</ul>"
        f"<h2>Predicted Recall@1 among {diagnosis.among} candidates, with 95 % intervals</h2>"
        f"{_plot(diagnosis.predictions, 1 / diagnosis.among)}"
        f"<h2>What was checked</h2>{_checked(diagnosis)}{parts}",
        PLOT,
    )


def _plot(predictions: Sequence[Prediction], chance: float) -> str:
    """A row per method: the predicted recall as a point, its interval as a line; chance as a line down the plot."""
    height, span = ROW * len(predictions) + 40, WIDTH - LEFT - 60
    place = lambda recall: LEFT + span * recall  # noqa: E731
    drawn = [
        f'<line x1="{place(tick):.0f}" y1="4" x2="{place(tick):.0f}" y2="{height - 32}"/>'
        f'<text class="soft" x="{place(tick):.0f}" y="{height - 14}" text-anchor="middle">{tick:g}</text>'
        for tick in (0, 0.25, 0.5, 0.75, 1)
    ]
    drawn.append(
        f'<line class="mark" stroke-dasharray="3 4" x1="{place(chance):.1f}" y1="4" x2="{place(chance):.1f}" '
        f'y2="{height - 32}"><title>chance</title></line>'
    )
    for row, p in enumerate(predictions):
        y = 18 + ROW * row
        drawn.append(
            f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(p.method)}</text>'
            f'<line class="mark" x1="{place(p.low):.1f}" y1="{y}" x2="{place(p.high):.1f}" y2="{y}"/>'
            f'<circle cx="{place(p.recall):.1f}" cy="{y}" r="4"/>'
            f'<text x="{place(1) + 10:.0f}" y="{y + 4}">{"≥ " if p.bound else ""}{p.recall:.2f}</text>'
        )
    label = "; ".join(f"{p.method} {p.recall:.2f}" for p in predictions)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" aria-label="{escape(label)}">'
        f"{''.join(drawn)}</svg>"
    )


def _checked(diagnosis: Diagnosis) -> str:
    rows = "".join(
        f'<tr><td class="{f.level}">{f.level}</td><td>{escape(f.name)}</td>'
        f"<td>{escape(f.sentence)} {escape(f.remedy)}</td></tr>"
        for f in diagnosis.checked
    )
    return f'<div class="scroll"><table>{rows}</table></div>'


def _table(rows: Sequence[tuple[str, str]]) -> str:
    held = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    return f'<div class="scroll"><table>{held}</table></div>'
