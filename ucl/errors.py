"""The one error a user of `ucl` is meant to read."""


class InputError(ValueError):
    """Wrong input, told in one line: what was expected, what came, what to do about it."""


def one_line(error: BaseException, lines: int = 1) -> str:
    """The start of another library's error message, on one line; its type's name where it says nothing."""
    return " ".join(line.strip() for line in str(error).splitlines()[:lines]).strip() or type(error).__name__
