"""A seal holds for the bytes that were written, and for no others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ucl.errors import InputError
from ucl.files import read_parquet, write_parquet
from ucl.tensors import read_about, read_tensors, write_tensors

FRAME = pd.DataFrame({"x": np.arange(2000) / 7, "y": ["a", "b"] * 1000})
TENSORS = {"x": torch.arange(3000.0).reshape(3, 1000)}


ABOUT = {key: f'{key}: \t\x01"\\é\u2028😀' for key in "abcdefgh"}


def test_what_was_written_is_read_and_the_same_content_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_parquet(FRAME, tmp_path / f"{name}.parquet")
        write_tensors(TENSORS, tmp_path / f"{name}.safetensors", ABOUT)
    assert read_about(tmp_path / "one.safetensors") == ABOUT
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "one.parquet"), FRAME)
    assert torch.equal(read_tensors(tmp_path / "one.safetensors")["x"], TENSORS["x"])
    for suffix in ("parquet", "safetensors"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["parquet", "safetensors"])
def test_any_changed_byte_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    write_parquet(FRAME, path) if suffix == "parquet" else write_tensors(TENSORS, path)
    read = read_parquet if suffix == "parquet" else read_tensors
    whole = path.read_bytes()
    for place in np.linspace(0, len(whole) - 1, 300).astype(int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match="is damaged"):
            read(path)
    path.write_bytes(whole)
    read(path)


def test_files_from_elsewhere_are_read(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "x.parquet"), FRAME)
