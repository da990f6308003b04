"""The report: one Markdown template, shown as `reports/README.md` and as a self-contained `reports/index.html`."""

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import markdown
import pandas as pd
from markdown.extensions.toc import slugify

from ucl.files import read_json, write_text
from ucl.reporting.templates import templates

__all__ = ["render"]


PAGE = "experiments/*/page.md.j2"  # of every experiment, in its room


def render(
    experiments: Sequence[str],
    params: Mapping[str, Any],
    markdown_path: str | Path,
    html_path: str | Path,
) -> None:
    """Fill in the page of each experiment, put them together, and write both forms.

    A template sees its experiment's parameters as `params`, its metrics JSON as `metrics`, and `figure(stem, caption)`,
    `table(stem)` and `csv(stem)` for what lies in `figures/` and `tables/` beside the report.
    """
    folder = Path(markdown_path).parent
    environment = templates()
    environment.filters["pm"] = _plus_minus
    environment.globals |= {
        "figure": _figure,
        "table": lambda stem: (folder / f"tables/{stem}.md").read_text(encoding="utf-8"),
        "csv": lambda stem: pd.read_csv(folder / f"tables/{stem}.csv"),
    }
    sections = [
        environment.get_template(PAGE.replace("*", name)).render(
            params=params[name], metrics=read_json(folder / f"metrics/{name}.json")
        )
        for name in experiments
    ]
    titles = [re.search(r"^## (.+)$", section, re.MULTILINE) for section in sections]
    contents = [(title[1], slugify(title[1], "-")) for title in titles if title]
    text = environment.get_template("reporting/page.md.j2").render(sections=sections, contents=contents)
    write_text(text, markdown_path)
    body = markdown.markdown(text, extensions=["tables", "toc", "attr_list", "md_in_html"])
    page = environment.get_template("reporting/page.html.j2").render(body=_inline_images(_wrap_tables(body), folder))
    write_text(page, html_path)


def _figure(stem: str, caption: str) -> str:
    return f"![{caption}](figures/{stem}.svg)\n\n*{caption}*\n"


def _plus_minus(entry: Mapping[str, float]) -> str:
    """`{"recall_at_1": 0.931, "sd": 0.012}` as 0.931 ± 0.012."""
    return f"{entry['recall_at_1']:.3f} ± {entry['sd']:.3f}"


def _wrap_tables(body: str) -> str:
    """Tables scroll sideways on a narrow screen instead of widening the page."""
    return body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")


def _inline_images(body: str, folder: Path) -> str:
    """Replace links to figures by the figures."""

    def inline(match: re.Match[str]) -> str:
        path = folder / match[1]
        if path.suffix == ".svg":
            path = min(path, path.with_suffix(".png"), key=lambda file: file.stat().st_size)
        kind = {".svg": "image/svg+xml", ".png": "image/png", ".gif": "image/gif"}[path.suffix]
        return f'src="data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"'

    return re.sub(r'src="(figures/[^"]+)"', inline, body)
