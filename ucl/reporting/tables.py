"""Tables for people (Markdown) and for programs (CSV), from one data frame."""

from pathlib import Path

import pandas as pd

from ucl.files import write_text

__all__ = ["save_table"]


def save_table(frame: pd.DataFrame, stem: str | Path, digits: int = 3) -> None:
    """Write `<stem>.csv` at full precision and `<stem>.md` rounded to `digits`."""
    stem = Path(stem)
    write_text(frame.to_csv(index=False), stem.with_name(stem.name + ".csv"))
    markdown = frame.to_markdown(index=False, floatfmt=f".{digits}f")
    write_text(markdown + "\n", stem.with_name(stem.name + ".md"))
