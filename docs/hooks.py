"""What `make docs` adds to the pages: the report of the paper-scale run, links to it that work there too, docstrings.

The pages are read in two places, in the repository (where the report is `../reports`) and as a site (`reports`).
"""

import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

REPORTS = Path(__file__).parents[1] / "reports"
SHOWN = {".html", ".svg", ".png", ".gif"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path in sorted(REPORTS.rglob("*")):
        if path.suffix in SHOWN:
            name = f"reports/{path.relative_to(REPORTS).as_posix()}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    return re.sub(r"\]\(\.\./reports/(README\.md)?", lambda m: f"](reports/{'index.html' if m[1] else ''}", markdown)


class BorrowedDocstrings(griffe.Extension):
    """A class with `__doc__ = Base.__doc__` is shown with that docstring: sources are read here, not run."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        for module in pkg.modules.values():
            for borrower in module.classes.values():
                if "__doc__" in borrower.members and borrower.docstring is None:
                    borrower.docstring = borrower.mro()[0].docstring
