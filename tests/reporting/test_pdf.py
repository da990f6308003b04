"""The PDF of the report says what its page says, in a paper's order, inside its pages, and always in the same bytes."""

import io
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ucl.errors import InputError
from ucl.extras import EXTRAS, MissingExtraError
from ucl.files import write_text
from ucl.reporting import report
from ucl.reporting.claims import Claim, Verdict
from ucl.reporting.pdf import in_order, typeset, write_pdf
from ucl.reporting.templates import templates

HERE = all(map(find_spec, EXTRAS["pdf"]))
typesets = pytest.mark.skipif(not HERE, reason="needs pandoc and Typst: pip install 'ucl[pdf]'")
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="{}pt" height="{}pt"><rect width="100%" height="100%"/></svg>'
CLAIMS = [
    Claim(
        "Fig. 1", "A < B, in #1 and $x$.", Verdict.FAILS, "0.1 ± 0.2", "small", note="But for 10⁻² & −3 @ all_of_it."
    ),
    Claim("slides", " ".join(f"word{i}" for i in range(30)), Verdict.HOLDS, "[0, 1]", new=True),
]
CAPTIONS = ["A caption: 5 % of `all`, (a) and (b).", "A wide one.", "A high one, folded."]
PPI = 50
MARGIN = int(1.5 / 2.54 * PPI)  # pixels; what is printed keeps 2 cm


def table(columns: int, rows: int) -> str:
    """A table as pandas writes it, whose columns have long names and whose cells have none."""
    lines = ["| method | " + " | ".join(f"recall_at_{i}_of_{j}" for i, j in enumerate(range(columns))) + " |"]
    lines.append("|:--|" + "--:|" * columns)
    lines += [f"| monte_carlo_{i} | " + " | ".join(["0.123 ± 0.456"] * columns) + " |" for i in range(rows)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A small report, rendered from the report's own template, with its figures."""
    sizes = {"small": (200, 100), "wide": (1200, 300), "high": (300, 1500)}
    for stem, size in sizes.items():
        write_text(DRAWING.format(*size), tmp_path / f"figures/{stem}.svg")
    for name, content in {"narrow": table(3, 4), "long": table(3, 90), "broad": table(20, 5)}.items():
        write_text(content, tmp_path / f"tables/{name}.md")
    drawn, figure = iter(CAPTIONS), report._figures()
    small, wide, high = (figure(stem, next(drawn)) for stem in sizes)
    moving = "![It moves.](figures/walk.gif)\n"
    first = f"## one: the first\n\n**Answer.** Yes.\n{small}\n{wide}\n\n{moving}\n"
    first += f'<details markdown="1"><summary>How it was done</summary>\n\n{high}\n**Bold.**\n\n- a\n- b\n\n</details>'
    folded = [report._folded(tmp_path, f"Table {name}; of all", name) for name in ("narrow", "long", "broad")]
    sections = [first, "## two: the second\n\n" + "\n\n".join(folded), "## three: nothing folded\n\nText."]
    contents = [(name, name) for name in ("one", "two", "three")]
    text = templates().get_template("reporting/page.md.j2")
    write_text(text.render(sections=sections, claims=CLAIMS, contents=contents, reduced={}), tmp_path / "README.md")
    write_text(
        'authors:\n  - name: the "authors"\n  - given-names: A.\n    family-names: B\n', tmp_path / "CITATION.cff"
    )
    return tmp_path / "README.md"


def words(node: Any) -> str:
    """The text in what Typst answers to a query."""
    if isinstance(node, list):
        return "".join(map(words, node))
    if not isinstance(node, dict):
        return ""
    if node.get("func") in ("space", "linebreak"):
        return " "
    return str(node["text"]) if isinstance(node.get("text"), str) else words(list(node.values()))


def cells(node: Any) -> Iterator[str]:
    """The texts of all cells of tables in an answer."""
    if isinstance(node, dict) and node.get("func") == "cell":
        yield words(node["body"]).strip()
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from cells(inner)


def ask(source: str, folder: Path, selector: str) -> list[Any]:
    """What is in all parts of the typeset report of a kind, in their order."""
    import typst

    return json.loads(typst.query(source.encode(), selector, "body", root=folder, ignore_system_fonts=True))


def test_what_is_folded_stands_behind_with_a_reference_from_its_place(page: Path) -> None:
    text = in_order(page.read_text())
    shown, folded = text.split("#show: appendix")
    assert "<details" not in text
    assert "## Experiments" not in text
    assert shown.index("## What the paper claims") < shown.index("#contents") < shown.index("## one: the first")
    assert [line for line in shown.splitlines() if "@folded" in line] == [
        "How it was done: `@folded-1`{=typst}.",
        *(f"Table {name}; of all: `@folded-{i}`{{=typst}}." for name, i in (("narrow", 2), ("long", 3), ("broad", 4))),
    ]
    headings = [line for line in folded.splitlines() if line.startswith("#")]
    assert headings[:3] == ["## one", "### How it was done {#folded-1}", "## two"]
    assert headings[3:] == [
        f"### Table {name}; of all {{#folded-{i}}}" for name, i in (("narrow", 2), ("long", 3), ("broad", 4))
    ]
    assert "figures/high.svg" in folded
    assert "figures/high.svg" not in shown
    assert "#show: appendix" not in in_order("## one\n\nText.\n")


@typesets
def test_it_says_what_the_page_says(page: Path) -> None:
    source = typeset(page.read_text(), "authors")
    captions = [words(caption).strip() for caption in ask(source, page.parent, "figure.caption")]
    assert captions == [f"Figure {i}. {text.replace('`', '')}" for i, text in enumerate(CAPTIONS, 1)]
    texts = list(cells(ask(source, page.parent, "figure.where(kind: table)")))
    for claim in CLAIMS:
        text = f"{claim.text} {claim.note}".strip()
        start = texts.index(claim.source)
        assert texts[start : start + 4] == [claim.source, text, claim.verdict.value, claim.number]
    assert texts.count("0.123 ± 0.456") == 3 * 4 + 3 * 90 + 20 * 5
    headings = [words(heading) for heading in ask(source, page.parent, "heading.where(level: 1)")]
    assert headings[2:] == ["one: the first", "two: the second", "three: nothing folded", "one", "two"]


@typesets
def test_nothing_is_cut_off(page: Path) -> None:
    """Whatever goes over the edge of a page goes through its margin, which is white but for the page's number."""
    import typst

    source = typeset(page.read_text(), "authors").encode()
    pictures = typst.compile(source, root=page.parent, ignore_system_fonts=True, format="png", ppi=PPI)
    pages = [np.asarray(Image.open(io.BytesIO(picture)).convert("L")) for picture in pictures]
    for pixels in pages:
        assert pixels.min() < 100
        assert (pixels[:MARGIN] == 255).all()
        assert (pixels[:, :MARGIN] == 255).all()
        assert (pixels[:, -MARGIN:] == 255).all()
        assert (pixels[-MARGIN // 2 :] == 255).all()
    assert sum(pixels.shape[1] > pixels.shape[0] for pixels in pages) == 1  # the broad table lies down


@typesets
def test_the_same_report_gives_the_same_bytes(page: Path) -> None:
    written = []
    for name in ("once", "twice"):
        write_pdf(page, page.parent / "CITATION.cff", page.parent / f"{name}.pdf")
        written.append((page.parent / f"{name}.pdf").read_bytes())
    assert written[0] == written[1]
    assert written[0].startswith(b"%PDF-")
    assert b"CreationDate" not in written[0]
    assert b'the "authors", A. B' in written[0]


@typesets
def test_a_figure_that_is_missing_is_told_in_one_line(page: Path) -> None:
    (page.parent / "figures/wide.svg").unlink()
    with pytest.raises(InputError, match=r"README.md: Typst makes no PDF of it: .*wide\.svg"):
        write_pdf(page, page.parent / "CITATION.cff", page.parent / "report.pdf")
    assert not (page.parent / "report.pdf").exists()


def test_without_pandoc_or_typst_the_extra_is_named(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ucl.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"^this needs pypandoc: pip install 'ucl\[pdf\]'$"):
        write_pdf(page, page.parent / "CITATION.cff", page.parent / "report.pdf")
