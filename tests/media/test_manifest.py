"""Manifests as people save them: encodings, kinds of columns, spaces, addresses; each refusal with its row."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ucl.errors import InputError
from ucl.media.manifest import COLUMNS, manifest_items, read_manifest
from ucl.media.tables import read_labels

HEADER = "id,audio,image,text\n"
GOOD = HEADER + "a,a.wav,a.jpg,Straßenbahn fährt\nb,b.wav,,\n"


def told(path):
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_utf8_is_read_with_a_byte_order_mark_or_without(encoding, newline, tmp_path):
    (tmp_path / "m.csv").write_bytes(GOOD.replace("\n", newline).encode(encoding))
    manifest = read_manifest(tmp_path / "m.csv")
    assert manifest["text"].to_pylist() == ["Straßenbahn fährt", ""]
    assert manifest_items(manifest, "audio") == {"a": tmp_path / "a.wav", "b": tmp_path / "b.wav"}


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-16", ":1: expected UTF-8, got UTF-16 or UTF-32; save it as UTF-8"),
        ("utf-16-le", ":1: expected UTF-8, got UTF-16"),
        ("utf-16-be", ":1: expected UTF-8, got UTF-16"),
        ("utf-32", ":1: expected UTF-8, got UTF-16 or UTF-32"),
        ("latin-1", ":2: not UTF-8: byte 0xdf (Latin-1?); save it as UTF-8"),
        ("cp1252", ":2: not UTF-8: byte 0xdf"),
    ],
)
def test_other_encodings_are_told_with_their_line(encoding, words, tmp_path):
    (tmp_path / "m.csv").write_bytes(GOOD.encode(encoding))
    assert told(tmp_path / "m.csv").startswith(words)
    (tmp_path / "l.csv").write_bytes("index,mid,display_name\n0,/m/a,Straße\n".encode(encoding))
    with pytest.raises(InputError, match=r"l\.csv:[12]: (expected|not) UTF-8"):
        read_labels(tmp_path / "l.csv")


def test_a_line_after_a_byte_order_mark_is_counted_rightly(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"c,c.wav,,caf\xe9\n")
    assert told(tmp_path / "m.csv").startswith(":4: not UTF-8: byte 0xe9")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a ,a.wav,,rain", ":2: id has spaces around it: 'a '; remove them"),
        ("a, a.wav,,rain", ":2: audio has spaces around it: ' a.wav'"),
        ("a,a.wav,x.jpg\t,rain", ":2: image has spaces around it: 'x.jpg\\t'"),
        ("a,a.wav,,\xa0rain", ":2: text has spaces around it: '\\xa0rain'"),
        (" ,a.wav,,rain", ":2: id has spaces around it"),
        ('a,a.wav,,"rain\n"', ":3: text has spaces around it: 'rain\\n'"),
        ("a b,a.wav,,\na  b,b.wav,,", ":3: id 'a  b' differs from 'a b' by spaces alone, first at 2"),
        ("ab,a.wav,,\na b,b.wav,,", ":3: id 'a b' differs from 'ab' by spaces alone, first at 2"),
        (
            "a,https://example.org/a.wav,,",
            ":2: audio must be a path: got the address 'https://example.org/a.wav'; down",
        ),
        ("a,,s3://bucket/a.jpg,", ":2: image must be a path: got the address"),
        ("a,,file:///a.jpg,", ":2: image must be a path"),
        ("a,,data:image/png;base64,", ":2: image must be a path"),
    ],
)
def test_what_is_wrong_with_a_cell_is_told_with_its_line(row, words, tmp_path):
    (tmp_path / "m.csv").write_text(HEADER + row, encoding="utf-8")
    assert told(tmp_path / "m.csv").startswith(words)


def test_a_text_may_be_an_address(tmp_path):
    (tmp_path / "m.csv").write_text(HEADER + "a,,,https://example.org\n")
    assert read_manifest(tmp_path / "m.csv")["text"].to_pylist() == ["https://example.org"]


def written(path, **columns):
    table = {"id": ["a", "b"], "audio": ["a.wav", "b.wav"], "image": [None, None], "text": ["rain", None]} | columns
    pq.write_table(pa.table({name: table[name] for name in COLUMNS}), path)
    return path


@pytest.mark.parametrize("kind", [pa.int64(), pa.int8(), pa.uint32(), pa.string(), pa.large_string()])
def test_ids_of_a_parquet_file_are_whole_numbers_or_texts(kind, tmp_path):
    path = written(tmp_path / "m.parquet", id=pa.array([0, 7]).cast(kind))
    assert read_manifest(path)["id"].to_pylist() == ["0", "7"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"id": [1.0, 2.0]}, ":1: id must be one text: got float 1.0; write it as text"),
        ({"id": [True, False]}, ":1: id must be one text: got bool True"),
        ({"id": ["a", None]}, ":2: the id is empty"),
        ({"text": ["rain", b"wind"][1:] * 2}, ":1: text must be one text: got bytes b'wind'"),
        ({"text": [["rain", "wind"], ["sun"]]}, ":1: text must be one text: got list ['rain', 'wind']"),
        ({"audio": [{"path": "a.wav"}] * 2}, ":1: audio must be one text: got dict {'path': 'a.wav'}"),
        ({"audio": [3, 4]}, ":1: audio must be one text: got int 3"),
        ({"text": [datetime.date(2020, 1, 1)] * 2}, ":1: text must be one text: got date"),
        ({"audio": ["a.wav", "b.wav "]}, ":2: audio has spaces around it"),
    ],
)
def test_other_kinds_of_cells_are_told_with_their_row(columns, words, tmp_path):
    assert told(written(tmp_path / "m.parquet", **columns)).startswith(words)


def test_a_folder_that_looks_like_a_column_is_a_folder(tmp_path):
    (tmp_path / "id=3").mkdir()
    assert read_manifest(written(tmp_path / "id=3" / "m.parquet"))["id"].to_pylist() == ["a", "b"]


def test_columns_must_be_the_four_once_each(tmp_path):
    table = pa.table({"id": ["a"], "audio": ["a.wav"], "image": ["a.jpg"], "text": ["rain"]})
    pq.write_table(table.append_column("id", pa.array(["b"])), tmp_path / "m.parquet")
    assert told(tmp_path / "m.parquet").startswith(": expected the columns id, audio, image, text, got id, audio")
    (tmp_path / "m.csv").write_text("id;audio;image;text\n")
    assert told(tmp_path / "m.csv").startswith(":1: expected the columns id,audio,image,text, got 'id;audio;image;text")
