"""Text files as people save them: UTF-8 is read, everything else is told with the place where it stops being that."""

from pathlib import Path

from ucl.errors import InputError
from ucl.files import why_not_a_file

__all__ = ["read_utf8"]


def read_utf8(path: str | Path) -> str:
    """A file's text, line ends untouched, without a byte order mark."""
    if (reason := why_not_a_file(path)) is not None:
        raise InputError(f"{path}: {reason}")
    content = Path(path).read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        raise InputError(f"{path}:1: expected UTF-8, got UTF-16 or UTF-32; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = 3 if content.startswith(b"\xef\xbb\xbf") else 0  # positions are counted after it
        line = content.count(b"\n", 0, error.start + mark) + 1
        byte = content[error.start + mark]
        raise InputError(f"{path}:{line}: not UTF-8: byte {byte:#04x} (Latin-1?); save it as UTF-8") from None
