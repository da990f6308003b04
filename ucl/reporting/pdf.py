"""The report as a PDF in the manner of a paper: its Markdown goes through pandoc to Typst; what is folded, behind."""

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from ucl.errors import InputError, one_line
from ucl.extras import needs
from ucl.files import replacing
from ucl.reporting.templates import templates

__all__ = ["in_order", "typeset", "write_pdf"]

READS = "commonmark+attributes+gfm_auto_identifiers+implicit_figures+pipe_tables+raw_attribute"
FOLDED = re.compile(r'<details markdown="1"><summary>(.*?)</summary>\n(.*?)</details>\n?', re.DOTALL)
FIGURE = re.compile(r"^!\[[^\n]*\]\((figures/\S+)\)\n+\*(Figure \d+\. [^\n]*)\*$", re.MULTILINE)
MOVING = re.compile(r"^!\[([^\n]*)\]\(figures/\S+\.gif\)$", re.MULTILINE)
CONTENTS = re.compile(r"^## Experiments\n+(?:- .*\n)+", re.MULTILINE)
PROSE, NARROW = 52, 36  # characters: a column of a table with a longer cell, and what may stay on one line in such
Node = dict[str, Any]  # of pandoc's syntax tree: `t` is what it is, `c` what is in it


def write_pdf(markdown_path: str | Path, citation_path: str | Path, pdf_path: str | Path) -> None:
    """Make the PDF of a rendered report: the same bytes for the same Markdown, the same figures and the same authors.

    Figures lie in `figures/` beside the Markdown; `citation_path` is a `CITATION.cff`.
    """
    source = typeset(Path(markdown_path).read_text(encoding="utf-8"), _authors(citation_path)).encode()
    import typst

    options: dict[str, Any] = {"root": Path(markdown_path).parent, "ignore_system_fonts": True, "pdf_tags": False}
    with replacing(pdf_path) as temporary:
        try:
            typst.compile(source, **options, format="pdf", output=temporary)
        except typst.TypstError as error:
            raise InputError(f"{markdown_path}: Typst makes no PDF of it: {one_line(error)}") from error


def typeset(text: str, authors: str) -> str:
    """The Typst source of a report in Markdown."""
    needs("pdf", "pypandoc", "typst")
    import pypandoc

    heading, _, rest = text.partition("\n")
    higher = ["--shift-heading-level-by=-1"]
    tree = json.loads(pypandoc.convert_text(in_order(rest), "json", format=READS, extra_args=higher))
    tree["blocks"] = [block for each in tree["blocks"] for block in _fitted(each)]
    body = pypandoc.convert_text(json.dumps(tree), "typst", format="json", extra_args=["--wrap=none"])
    page = templates().get_template("reporting/paper.typ.j2")
    return page.render(title=_quoted(heading.removeprefix("# ")), authors=_quoted(authors), body=body)


def in_order(text: str) -> str:
    """Markdown in the order of a paper: contents behind the claims, what is folded behind everything, by experiment."""
    text = FIGURE.sub(r"\n![\2](\1)", text)
    text = MOVING.sub(r"\n*Moving, in the page of the report: \1*", text)
    text = CONTENTS.sub(_raw("#contents"), text)
    numbers = count(1)
    shown, folded = [], []
    for section in re.split(r"^(?=## )", text, flags=re.MULTILINE):
        rest, behind = _unfolded(section, numbers)
        shown.append(rest)
        if behind:
            folded += [re.split(r"[:\n]", section)[0], *behind]  # the name alone
    return "\n\n".join([*shown, *([_raw("#show: appendix")] if folded else []), *folded])


def _unfolded(section: str, numbers: Iterator[int]) -> tuple[str, list[str]]:
    """A section with a reference in the place of all that is folded, and that, with headings."""
    folded = []

    def refer(match: re.Match[str]) -> str:
        anchor = f"folded-{next(numbers)}"
        folded.append(f"### {match[1]} {{#{anchor}}}\n\n{match[2]}")
        return f"\n\n{match[1]}: `@{anchor}`{{=typst}}.\n\n"

    return FOLDED.sub(refer, section), folded


def _raw(code: str) -> str:
    return f"```{{=typst}}\n{code}\n```\n\n"


def _fitted(block: Node) -> list[Node]:
    """A table with short lines in its cells, in Typst's function that finds the type in which it fits; others as is."""
    if block["t"] == "Para" and [node["t"] for node in block["c"]] == ["Strong"]:  # says what comes
        return [_typst("RawBlock", "#block(sticky: true)["), block, _typst("RawBlock", "]")]
    if block["t"] != "Table":
        return [block]
    _, _, columns, (_, head), bodies, _ = block["c"]
    rows = [row for body in bodies for row in body[3]]
    longest = [max((len(_plain(row[1][j][4])) for row in rows), default=0) for j in range(len(columns))]
    for j, column in enumerate(columns):
        right = column[0]["t"] == "AlignRight"
        column[:] = {"t": "AlignRight" if right else "AlignLeft"}, {"t": "ColWidthDefault"}
        for row in head:
            _break_name(row[1][j], longest[j])
        for row in rows if longest[j] > PROSE else ():
            _break_prose(row[1][j])
    return [_typst("RawBlock", "#wide["), block, _typst("RawBlock", "]")]


def _break_name(cell: list[Any], room: int) -> None:
    """Break a heading such as `recall_at_1` into lines no longer than its column is wide, or than its longest word."""
    name = _plain(cell[4])
    words = re.findall(r"[^_ ]+[_ ]*", name)
    room = max([room, *(len(word.strip()) for word in words)])
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1] + word.strip()) <= room:
            lines[-1] += word
        else:
            lines.append(word)
    inlines = [node for line in lines for node in ({"t": "LineBreak"}, {"t": "Str", "c": line.strip()})]
    cell[4] = [{"t": "Plain", "c": inlines[1:]}]


def _break_prose(cell: list[Any]) -> None:
    """A long cell in a box, whose width grows with the type."""
    if len(_plain(cell[4])) > NARROW:
        box = f"#box(width: {NARROW * 0.45:g}em)["
        for block in cell[4]:
            block["c"] = [_typst("RawInline", box), *block["c"], _typst("RawInline", "]")]


def _plain(node: Any) -> str:
    """The text in a part of pandoc's syntax tree."""
    if isinstance(node, list):
        return "".join(map(_plain, node))
    if not isinstance(node, dict):
        return ""
    if node["t"] in ("Space", "SoftBreak", "LineBreak"):
        return " "
    if node["t"] in ("Str", "Code"):
        return str(node["c"] if node["t"] == "Str" else node["c"][1])
    return _plain(node.get("c", []))


def _typst(kind: str, code: str) -> Node:
    return {"t": kind, "c": ["typst", code]}


def _quoted(text: str) -> str:
    """As a string of Typst."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _authors(citation_path: str | Path) -> str:
    """The authors that a `CITATION.cff` names."""
    people = yaml.safe_load(Path(citation_path).read_text(encoding="utf-8"))["authors"]
    parts = ("given-names", "name-particle", "family-names", "name")
    return ", ".join(" ".join(person[part] for part in parts if part in person) for person in people)
