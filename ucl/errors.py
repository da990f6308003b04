"""The one error a user of `ucl` is meant to read."""


class InputError(ValueError):
    """Wrong input, told in one line: what was expected, what came, what to do about it."""
