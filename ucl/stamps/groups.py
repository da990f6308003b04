"""Which stamps show the same thing, so that none of them is tested while another is trained on."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

__all__ = ["group_stamps"]

COLOURS = {"black", "blue", "brown", "gold", "golden", "gray", "green", "grey", "orange", "pink", "purple", "red"}
VARIANTS = COLOURS | {"silver", "turquoise", "violet", "white", "yellow", "cartoon", "mirror"}


def group_stamps(keys: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Stamp -> group, named by its first stamp: stamps that share any key, directly or through others.

    `keys` are texts whose case, articles and punctuation do not count: a stamp's captions, each behind its language,
    and the digest of its sound. The folder and the stem without digits, colours, `mirror` and `cartoon` are added.
    """
    leader: dict[str, str] = {name: name for name in keys}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    owner: dict[str, str] = {}
    for name in sorted(keys):
        for key in (f"stem {_plain_stem(name)}", *(f"caption {_plain_text(text)}" for text in keys[name])):
            one, other = sorted((find(owner.setdefault(key, name)), find(name)))
            leader[other] = one
    return {name: find(name) for name in keys}


def _plain_stem(name: str) -> str:
    """`vehicles/ship/cartoon/tugboat2_red` and `vehicles/ship/tugboat` are one; a stem of digits alone stays."""
    path = PurePosixPath(name)
    folder = [part for part in path.parts[:-1] if part not in VARIANTS]
    words = [word for word in re.split(r"[^a-z]+", path.name.lower()) if word and word not in VARIANTS]
    return "/".join([*folder, "-".join(words) or path.name.lower()])


def _plain_text(text: str) -> str:
    """A caption without case, articles and punctuation."""
    words = re.findall(r"\w+", text.casefold())
    return " ".join(word for word in words if word not in {"a", "an", "the", "some"}) or text
