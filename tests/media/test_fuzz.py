"""Damaged images, recordings and manifests are read rightly or refused in one line."""

from fuzz import run

COUNT = 75


def test_damaged_media() -> None:
    told = run("media", COUNT)
    assert len(told) == 15
    assert all(found["read"] + found["refused"] == COUNT for found in told.values())
    assert all(found["refused"] > 0 for found in told.values())
