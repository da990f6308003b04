"""The frame of a page that the command writes: one file, readable by day and by night, on a desk and on a phone."""

import base64
from html import escape

__all__ = ["data_uri", "document"]

STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #6b6b70; --line: #d8d8dc; --mark: #0072b2; --page: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececee; --soft: #a0a0a6; --line: #3a3a3e; --mark: #56b4e9; --page: #161618; }
}
body { margin: 0 auto; max-width: 52rem; padding: 1rem 1.1rem 3rem; color: var(--ink); background: var(--page);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { margin-top: 2.2rem; font-size: 1.15rem; }
table { border-collapse: collapse; font-size: .9rem; } td, th { padding: .25rem .8rem .25rem 0; text-align: left; }
td:last-child { font-variant-numeric: tabular-nums; } tr { border-bottom: 1px solid var(--line); }
.scroll { overflow-x: auto; } .error { color: #c0392b; } .warning { color: #b7791f; }
"""


def document(title: str, body: str, style: str = "") -> str:
    """A page of this title; `body` and `style` are HTML and CSS, escaped where they were written."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body>{body}</body></html>\n"
    )


def data_uri(kind: str, content: bytes) -> str:
    """The content of a file of this MIME type as an address, which a page holds in itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
