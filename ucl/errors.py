"""The one error a user of `ucl` is meant to read."""


class InputError(ValueError):
    """Wrong input, told in one line: what was expected, what came, what to do about it.

    A file's name or a name in a file may hold line breaks; they become spaces here.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


def one_line(error: BaseException, lines: int = 1) -> str:
    """The start of another library's error message, on one line; its type's name where it says nothing."""
    return " ".join(line.strip() for line in str(error).splitlines()[:lines]).strip() or type(error).__name__
