"""The report: claims with their verdicts, then a section an experiment; as Markdown and as one self-contained page."""

import importlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import markdown
import pandas as pd
from markdown.extensions.toc import slugify
from PIL import Image
from PIL.ImageSequence import Iterator

from ucl.files import read_json, write_text
from ucl.reporting.claims import Claim, as_text
from ucl.reporting.document import data_uri
from ucl.reporting.scale import reductions
from ucl.reporting.templates import templates

__all__ = ["render"]


PAGE = "experiments/*/page.md.j2"  # of every experiment, in its room
THUMBNAIL = (208, 104)  # pixels, shown at half of that
EXTENSIONS = ["tables", "toc", "attr_list", "md_in_html"]


def render(
    experiments: Sequence[str],
    params: Mapping[str, Any],
    full: Mapping[str, Any],
    markdown_path: str | Path,
    html_path: str | Path,
    text_path: str | Path,
) -> None:
    """Fill in the page of each experiment, put them behind the claims, and write both forms; the claims for a terminal.

    A template sees its experiment's parameters as `params`, its metrics JSON as `metrics`, and `figure(stem, caption)`,
    `table(stem)`, `folded(summary, stem)` and `csv(stem)` for what lies in `figures/` and `tables/` beside the report.
    The module `claims` of its room says which claims it speaks of. `full` are the parameters at paper scale.
    """
    folder = Path(markdown_path).parent
    environment = templates()
    environment.filters["pm"] = _plus_minus
    csv = partial(_csv, folder)
    environment.globals |= {
        "figure": _figures(),
        "table": partial(_table, folder),
        "folded": partial(_folded, folder),
        "csv": csv,
    }
    metrics = {name: read_json(folder / f"metrics/{name}.json") for name in experiments}
    sections = [
        environment.get_template(PAGE.replace("*", name)).render(params=params[name], metrics=metrics[name])
        for name in experiments
    ]
    seen: dict[str, Any] = {
        "claims": [claim for name in experiments for claim in _claims(name, metrics[name], params[name], csv)],
        "contents": [(title, slugify(title, "-")) for title in map(_title, sections)],
        "reduced": reductions(params, full),
    }
    text = environment.get_template("reporting/page.md.j2").render(sections=sections, **seen)
    write_text(text, markdown_path)
    body = markdown.markdown("\n\n".join(sections), extensions=EXTENSIONS)
    seen["thumbnail"] = partial(_thumbnail, folder)
    page = environment.get_template("reporting/page.html.j2").render(body=_wrap_tables(body), **seen)
    write_text(_inline_images(page, folder), html_path)
    write_text(as_text(seen["claims"]), text_path)


def _claims(
    name: str, metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]
) -> list[Claim]:
    module = importlib.import_module(f"ucl.experiments.{name}.claims")
    return list(module.claims(metrics, params, csv))


def _csv(folder: Path, stem: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"tables/{stem}.csv")


def _table(folder: Path, stem: str) -> str:
    return (folder / f"tables/{stem}.md").read_text(encoding="utf-8")


def _folded(folder: Path, summary: str, stem: str) -> str:
    """A long table, seen by who asks for it."""
    table = _table(folder, stem)
    return f'<details markdown="1"><summary>{summary}</summary>\n\n{table}\n</details>\n'


def _title(section: str) -> str:
    found = re.search(r"^## (.+)$", section, re.MULTILINE)
    if found is None:
        raise ValueError(f"a section begins with its title, `## name: what it is`: got {section[:60]!r}")
    return found[1]


def _figures() -> Callable[[str, str], str]:
    """`figure(stem, caption)`, numbered as they come."""
    numbers = count(1)
    return lambda stem, caption: f"![{caption}](figures/{stem}.svg)\n\n*Figure {next(numbers)}. {caption}*\n"


def _plus_minus(entry: Mapping[str, float]) -> str:
    """`{"recall_at_1": 0.931, "sd": 0.012}` as 0.931 ± 0.012; with `ci95` in place of `sd`, half the interval."""
    return f"{entry['recall_at_1']:.3f} ± {entry['sd' if 'sd' in entry else 'ci95']:.3f}"


def _wrap_tables(body: str) -> str:
    """Tables scroll sideways on a narrow screen instead of widening the page."""
    return body.replace("<table>", '<div class="table" tabindex="0"><table>').replace("</table>", "</table></div>")


def _inline_images(page: str, folder: Path) -> str:
    """Replace links to figures by the figures, each with its stem as anchor."""

    def inline(match: re.Match[str]) -> str:
        path = folder / match[1]
        picture = path.with_suffix(".png") if path.suffix == ".svg" else path
        content, kind = _as_webp(picture), "image/webp"
        if path.suffix == ".svg" and path.stat().st_size <= len(content):
            content, kind = path.read_bytes(), "image/svg+xml"
        return f'id="{path.stem}" src="{data_uri(kind, content)}"'

    return re.sub(r'src="(figures/[^"]+)"', inline, page)


def _as_webp(path: Path) -> bytes:
    """A picture or an animation, pixel for pixel, in three quarters of a PNG's bytes and a third of a GIF's."""
    with Image.open(path) as opened:
        frames = [(frame.convert("RGB"), frame.info.get("duration", 0)) for frame in Iterator(opened)]
    pictures, pauses = zip(*frames, strict=True)
    how: dict[str, Any] = {"lossless": True, "quality": 50, "method": 4}
    if len(pictures) > 1:
        how |= {"save_all": True, "append_images": pictures[1:], "duration": pauses, "loop": 0, "minimize_size": True}
    smaller = io.BytesIO()
    pictures[0].save(smaller, "WEBP", **how)
    return smaller.getvalue()


def _thumbnail(folder: Path, stem: str) -> str:
    """A figure as a small picture, for a `src`."""
    small = Image.open(folder / f"figures/{stem}.png").convert("RGB")
    small.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    drawn = io.BytesIO()
    small.quantize(64, dither=Image.Dither.NONE).save(drawn, "PNG", optimize=True)
    return data_uri("image/png", drawn.getvalue())
