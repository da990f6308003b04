"""The stamps as a table, and what the frozen networks read of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ucl.errors import InputError
from ucl.files import digest
from ucl.stamps.collection import ENGLISH, Stamp
from ucl.stamps.groups import group_stamps

__all__ = ["items_of", "tabulate"]


def tabulate(stamps: Sequence[Stamp], language: str) -> pd.DataFrame:
    """One row per stamp with a caption in English and in `language`.

    Columns: name, group, caption (English), spoken (the caption in `language`), and the paths image, speech and sound,
    or None. Stamps of one group share a caption, a sound or, but for variants, a name (`ucl.stamps.groups`).
    """
    known = [stamp for stamp in stamps if ENGLISH in stamp.captions and language in stamp.captions]
    if not any(language in stamp.speech for stamp in known):
        spoken = sorted({each for stamp in stamps for each in stamp.speech})
        raise InputError(f"no stamp is read aloud in {language!r}; languages here: {', '.join(spoken)}")
    keys = {
        stamp.name: [
            *(f"{each}: {stamp.captions[each]}" for each in (ENGLISH, language)),
            *([digest(stamp.sound)] if stamp.sound else []),
        ]
        for stamp in known
    }
    groups = group_stamps(keys)
    rows = [
        {
            "name": stamp.name,
            "group": groups[stamp.name],
            "caption": stamp.captions[ENGLISH],
            "spoken": stamp.captions[language],
            "image": _text(stamp.image),
            "speech": _text(stamp.speech.get(language)),
            "sound": _text(stamp.sound),
        }
        for stamp in known
    ]
    return pd.DataFrame(rows)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def items_of(table: pd.DataFrame, kind: str) -> dict[str, Any]:
    """What a frozen network of a kind reads: stamp -> path, or for `text` each different caption by itself."""
    if kind == "text":
        return {text: text for text in dict.fromkeys(table["caption"])}
    known = table[table[kind].notna()]
    return {name: Path(path) for name, path in zip(known["name"], known[kind], strict=True)}
