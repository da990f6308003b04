"""Files are whole or absent."""

import json
import math
import os
from pathlib import Path

import pandas as pd
import pytest
import torch

from ucl.files import digest, read_json, replacing, why_not_a_file, write_json, write_parquet
from ucl.tensors import read_tensors, write_tensors


def test_a_failed_write_keeps_the_old_file_and_leaves_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    path.write_text("old")

    def fill_the_disk() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fill_the_disk()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "result.txt"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "new"


def test_round_trips(tmp_path: Path) -> None:
    write_json({"a": [1, 2.5, None]}, tmp_path / "x.json")
    assert read_json(tmp_path / "x.json") == json.loads((tmp_path / "x.json").read_text()) == {"a": [1, 2.5, None]}
    frame = pd.DataFrame({"n": [1, 2], "s": ["x", "y"]})
    write_parquet(frame, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), frame)
    tensors = {"w": torch.arange(6.0).reshape(2, 3).T}
    write_tensors(tensors, tmp_path / "x.safetensors")
    assert torch.equal(read_tensors(tmp_path / "x.safetensors")["w"], tensors["w"])


def test_json_refuses_what_json_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": math.nan}, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


def test_digest_is_sha256_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert digest(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_only_a_regular_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    assert why_not_a_file(tmp_path / "file") is None
    assert why_not_a_file(str(tmp_path / "link")) is None
    for name in ("pipe", "endless", "."):
        assert why_not_a_file(tmp_path / name) == "not a regular file but a folder, pipe or device"
    assert why_not_a_file(tmp_path / "gone") == why_not_a_file("null\0") == "no such file"
    assert why_not_a_file(tmp_path / "file" / "below") == "not a directory"
    assert why_not_a_file("n" * 300) == "file name too long"
