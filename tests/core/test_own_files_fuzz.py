"""Damaged files that the package wrote itself are never read wrongly: refused in one line, or answered rightly."""

from fuzz import run

COUNT = 75


def test_damaged_files_of_our_own() -> None:
    told = run("own", COUNT)
    assert len(told) == 7
    assert all(found["read"] + found["refused"] == COUNT for found in told.values())
    assert all(found["refused"] > 0 for found in told.values())
