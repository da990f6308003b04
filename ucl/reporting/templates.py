"""The one place where templates are found and rendered: by their path in the package, a missing value is an error."""

from pathlib import Path

import jinja2

__all__ = ["templates"]

PACKAGE = Path(__file__).parents[1]


def templates(autoescape: bool = False) -> jinja2.Environment:
    """An environment whose templates are named by their path in the package, such as `reporting/page.md.j2`."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,
        trim_blocks=not autoescape,
        lstrip_blocks=not autoescape,
    )
