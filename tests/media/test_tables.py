"""Strict parsers: the published files where a mirror stands beside the checkout, and hand-made ones everywhere."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mirror import mirrored

from ucl.errors import InputError
from ucl.files import write_table
from ucl.media.tables import read_captions, read_labels, read_ontology, read_segments

HEADER = "# Segments csv created Sun Mar  5 10:54:25 2017\n# num_ytids={n}, num_segs={n}, num_unique_labels=2\n"
COLUMNS = "# YTID, start_seconds, end_seconds, positive_labels\n"
GOOD = '--4gqARaEJE, 0.000, 10.000, "/m/068hy,/t/dd00004"\n--BfvyPmVMo, 20.000, 30.000, "/m/03l9g"\n'


def entry(key="/m/a", **changes):
    base = {"id": key, "name": key, "description": "", "citation_uri": "", "positive_examples": []}
    return {**base, "child_ids": [], "restrictions": [], **changes}


def test_the_published_ontology():
    table = read_ontology(mirrored("data/audioset/ontology.json"))
    rows = table.to_pylist()
    ids = {row["id"] for row in rows}
    assert len(rows) == len(ids) == 632
    assert sum("abstract" in row["restrictions"] for row in rows) == 23
    assert sum("blacklist" in row["restrictions"] for row in rows) == 67
    assert sum(len(row["restrictions"]) == 2 for row in rows) == 1
    assert all(parent in ids for row in rows for parent in row["parents"])
    assert sum(not row["parents"] for row in rows) == 7
    assert all(row["description"] for row in rows)


def test_the_published_segments_labels_and_captions_agree():
    classes = set(read_ontology(mirrored("data/audioset/ontology.json"))["id"].to_pylist())
    labels = read_labels(mirrored("data/audioset/class_labels_indices.csv"))
    clips = read_segments(mirrored("data/audioset/eval_segments.csv"), "eval", known=classes)
    assert len(labels) == 527
    assert set(labels["id"].to_pylist()) <= classes
    assert len(clips) == len(set(clips["clip"].to_pylist())) == 20_371
    used = [label for row in clips["labels"].to_pylist() for label in row]
    assert (len(used), set(used)) == (51_804, set(labels["id"].to_pylist()))
    captions = [read_captions(mirrored(f"data/audiocaps/{split}.csv"), split) for split in ("train", "val", "test")]
    assert [len(table) for table in captions] == [49_838, 2_475, 4_875]
    first = captions[0].slice(2, 1).to_pylist()[0]
    assert first["caption"] == "The wind is blowing, insects are singing, and rustling occurs"
    assert first["clip"] == "3eJ9RynJzP8_80000"


def test_parents_are_all_that_name_a_child(tmp_path):
    entries = [entry("/m/a", child_ids=["/m/c"]), entry("/m/b", child_ids=["/m/c"]), entry("/m/c")]
    (tmp_path / "o.json").write_text(json.dumps(entries, indent=1))
    table = read_ontology(tmp_path / "o.json")
    assert table["parents"].to_pylist() == [[], [], ["/m/a", "/m/b"]]
    write_table(table, tmp_path / "o.parquet")
    back = pq.read_table(tmp_path / "o.parquet")
    assert back.equals(table)
    assert back.schema.field("parents").metadata[b"description"]


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([entry(), entry("/m/b", child_ids=["/m/z"])], r"o\.json:11: child /m/z of /m/b is not in the ontology"),
        ([entry(), entry()], r"o\.json:11: id /m/a again, first at line 2"),
        ([entry(), entry("/m/b", surplus=1)], r"o\.json:11: surplus: Extra inputs"),
        ([entry(restrictions=["secret"])], r"o\.json:2: restrictions\.0: .*'abstract' or 'blacklist'"),
        ([entry("x")], r"o\.json:2: id: .*pattern"),
        ([entry(name_=None)], r"o\.json:2: name_"),
        ([{"id": "/m/a"}], r"o\.json:2: name: Field required"),
        ([3], r"o\.json:2: "),
    ],
)
def test_a_wrong_ontology_entry_is_told_with_its_line(entries, told, tmp_path):
    lines = json.dumps(entries, indent=1)
    (tmp_path / "o.json").write_text(lines)
    with pytest.raises(InputError, match=told):
        read_ontology(tmp_path / "o.json")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("{}", 1),
        ("[\n\n{},]", 3),
        ("[1 2]", 1),
        ("[\n\n{", 3),
        (json.dumps([entry()]) + "\n\nx", 3),
        ("[1", 1),
    ],
)
def test_broken_json_is_told_with_its_line(text, line, tmp_path):
    (tmp_path / "o.json").write_text(text)
    with pytest.raises(InputError, match=rf"o\.json:{line}: "):
        read_ontology(tmp_path / "o.json")


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[2:]])
def test_segments_in_both_forms_of_the_header(columns, tmp_path):
    (tmp_path / "s.csv").write_text(HEADER.format(n=2) + columns + GOOD)
    rows = read_segments(tmp_path / "s.csv", "eval").to_pylist()
    assert rows[1] == {
        "clip": "--BfvyPmVMo_20000",
        "id": "--BfvyPmVMo",
        "start": 20.0,
        "end": 30.0,
        "labels": ["/m/03l9g"],
        "split": "eval",
    }
    assert rows[0]["labels"] == ["/m/068hy", "/t/dd00004"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('--BfvyPmVM, 0.000, 1.000, "/m/a"', "expected `YTID"),
        ('--BfvyPmVMo,0.000, 1.000, "/m/a"', "expected `YTID"),
        ('--BfvyPmVMo, 0, 1.000, "/m/a"', "expected `YTID"),
        ("--BfvyPmVMo, 0.000, 1.000, /m/a", "expected `YTID"),
        ('--BfvyPmVMo, 0.000, 1.000, "/m/a,"', "expected `YTID"),
        ('--BfvyPmVMo, 2.000, 1.000, "/m/a"', "start before end"),
        ('--4gqARaEJE, 0.000, 1.000, "/m/03l9g"', "clip --4gqARaEJE_0 again"),
        ('--BfvyPmVMo, 0.000, 1.000, "/m/unknown"', "label /m/unknown is not in the ontology"),
        ("", "expected `YTID"),
    ],
)
def test_a_wrong_segment_is_told_with_its_line(row, told, tmp_path):
    (tmp_path / "s.csv").write_text(HEADER.format(n=3) + COLUMNS + GOOD + row + "\n")
    with pytest.raises(InputError, match=rf"s\.csv:6: .*{told}"):
        read_segments(tmp_path / "s.csv", "eval", known={"/m/068hy", "/t/dd00004", "/m/03l9g"})


def test_a_segments_file_cut_short_is_noticed(tmp_path):
    (tmp_path / "s.csv").write_text(HEADER.format(n=3) + COLUMNS + GOOD)
    with pytest.raises(InputError, match="states 3 segments, the file holds 2"):
        read_segments(tmp_path / "s.csv", "eval")
    for broken, line in (("", 2), ("# a\n# b\n# c\n", 2), (HEADER.format(n=0) + "x\n", 3)):
        (tmp_path / "s.csv").write_text(broken)
        with pytest.raises(InputError, match=rf"s\.csv:{line}: expected"):
            read_segments(tmp_path / "s.csv", "eval")


@settings(max_examples=50)
@given(st.lists(st.text(min_size=1).filter(lambda t: t.strip() and "\x00" not in t), max_size=6))
def test_captions_come_back_whatever_they_contain(tmp_path_factory, captions):
    path = tmp_path_factory.mktemp("captions") / "c.csv"
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["audiocap_id", "youtube_id", "start_time", "caption"])
    writer.writerows([i, "3eJ9RynJzP8", 10 * i, caption] for i, caption in enumerate(captions))
    path.write_bytes(buffer.getvalue().encode("utf-8", "surrogatepass"))
    if any(0xD800 <= ord(letter) <= 0xDFFF for caption in captions for letter in caption):
        with pytest.raises(InputError, match="not UTF-8"):
            read_captions(path, "val")
        return
    rows = read_captions(path, "val").to_pylist()
    assert [row["caption"] for row in rows] == captions
    assert [row["start"] for row in rows] == [10.0 * i for i in range(len(captions))]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("1,3eJ9RynJzP8,30", "expected 4 fields, got 3"),
        ("1,3eJ9RynJzP8,30,a,b", "expected 4 fields, got 5"),
        ("x,3eJ9RynJzP8,30,a", "whole numbers"),
        ("1,3eJ9RynJzP8,3.5,a", "whole numbers"),
        ("1,3eJ9RynJz,30,a", "eleven characters"),
        ("1,3eJ9RynJzP8,30, ", "caption is empty"),
        ("7,3eJ9RynJzP8,30,a", "audiocap_id 7 again"),
        ('1,3eJ9RynJzP8,30,"a', "unexpected end of data"),
    ],
)
def test_a_wrong_caption_is_told_with_its_line(row, told, tmp_path):
    (tmp_path / "c.csv").write_text(f"audiocap_id,youtube_id,start_time,caption\n7,3eJ9RynJzP8,0,rain\n{row}\n")
    with pytest.raises(InputError, match=rf"c\.csv:3: .*{told}"):
        read_captions(tmp_path / "c.csv", "val")


def test_wrong_labels_and_bytes_are_told_with_their_line(tmp_path):
    path = tmp_path / "l.csv"
    for content, told in [
        ("index,mid,display_name\n0,/m/a,A\n2,/m/b,B\n", r"l\.csv:3: expected index 1, got '2'"),
        ("index,mid,display_name\n0,m/a,A\n", r"l\.csv:2: expected a class id"),
        ("a,b\n", r"l\.csv:1: expected the columns index,mid,display_name"),
        ("", r"l\.csv:1: .*an empty file"),
    ]:
        path.write_text(content)
        with pytest.raises(InputError, match=told):
            read_labels(path)
    path.write_bytes(b"index,mid,display_name\n0,/m/a,\xff\n")
    with pytest.raises(InputError, match=r"l\.csv:2: not UTF-8: byte 0xff"):
        read_labels(path)


CLASS = st.from_regex(r"/[mgt]/[0-9a-z_]{1,8}", fullmatch=True)
VIDEO = st.text("abcXYZ019_-", min_size=11, max_size=11)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(VIDEO, st.integers(0, 10**6), st.integers(1, 10**4), st.lists(CLASS, min_size=1, max_size=4)),
        max_size=6,
        unique_by=lambda row: row[:2],
    )
)
def test_segments_come_back_as_they_were_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("segments") / "s.csv"
    lines = [
        f'{video}, {start / 1000:.3f}, {(start + length) / 1000:.3f}, "{",".join(labels)}"\n'
        for video, start, length, labels in rows
    ]
    path.write_text(HEADER.format(n=len(rows)) + COLUMNS + "".join(lines))
    found = read_segments(path, "eval").to_pylist()
    assert [(r["id"], r["clip"], r["labels"]) for r in found] == [(v, f"{v}_{s}", names) for v, s, _, names in rows]
    assert [round(1000 * (row["end"] - row["start"])) for row in found] == [length for _, _, length, _ in rows]


@settings(max_examples=50)
@given(st.data())
def test_an_ontology_comes_back_with_its_graph_turned(tmp_path_factory, data):
    names = data.draw(st.lists(CLASS, min_size=1, max_size=6, unique=True))
    texts = st.text(min_size=1).filter(lambda text: not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text))
    children = {name: data.draw(st.lists(st.sampled_from(names), unique=True)) for name in names}
    entries = [entry(n, name=data.draw(texts), description=data.draw(texts), child_ids=children[n]) for n in names]
    path = tmp_path_factory.mktemp("ontology") / "o.json"
    path.write_text(json.dumps(entries, ensure_ascii=False, indent=data.draw(st.sampled_from([None, 1]))), "utf-8")
    rows = read_ontology(path).to_pylist()
    assert [(r["id"], r["name"], r["description"]) for r in rows] == [
        (e["id"], e["name"], e["description"]) for e in entries
    ]
    assert {(row["id"], p) for row in rows for p in row["parents"]} == {(c, p) for p in names for c in children[p]}
