"""AudioSet's ontology, segments and labels and AudioCaps' captions as tables with a fixed schema, read strictly.

A malformed row is an error that names the file and the line; nothing is skipped or repaired.
"""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ucl.errors import InputError
from ucl.media.text import read_utf8

__all__ = [
    "CAPTIONS",
    "CLASSES",
    "CLIPS",
    "LABELS",
    "read_captions",
    "read_labels",
    "read_ontology",
    "read_segments",
]


def _field(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"description": description})


STRINGS = pa.list_(pa.string())
CLASSES = pa.schema(
    [
        _field("id", pa.string(), "machine id, such as /m/0dgw9r"),
        _field("name", pa.string(), "display name"),
        _field("description", pa.string(), "what the class sounds like, in a sentence or two"),
        _field("parents", STRINGS, "ids of the classes that list this one as a child; empty for the seven roots"),
        _field("restrictions", STRINGS, "`abstract` (a heading), `blacklist` (not for labelling), both or none"),
    ]
)
LABELS = pa.schema(
    [
        _field("index", pa.int32(), "position in the published label vectors, from 0"),
        _field("id", pa.string(), "machine id of the class"),
        _field("name", pa.string(), "display name"),
    ]
)
CLIPS = pa.schema(
    [
        _field("clip", pa.string(), "unique: the video's id, an underscore, and the start in milliseconds"),
        _field("id", pa.string(), "YouTube id of the video, eleven characters"),
        _field("start", pa.float64(), "start in seconds"),
        _field("end", pa.float64(), "end in seconds"),
        _field("labels", STRINGS, "machine ids of the classes heard"),
        _field("split", pa.string(), "which list of segments"),
    ]
)
CAPTIONS = pa.schema(
    [
        _field("caption_id", pa.int64(), "AudioCaps' own id, unique"),
        _field("clip", pa.string(), "the clip, as in the table of clips"),
        _field("id", pa.string(), "YouTube id of the video"),
        _field("start", pa.float64(), "start in seconds; the clip lasts ten"),
        _field("caption", pa.string(), "one sentence"),
        _field("split", pa.string(), "train, val or test"),
    ]
)

CLASS_ID = r"/[mgt]/[0-9a-z_]+"
VIDEO_ID = r"[0-9A-Za-z_-]{11}"
SEGMENT = re.compile(rf'({VIDEO_ID}), (\d+\.\d{{3}}), (\d+\.\d{{3}}), "({CLASS_ID}(?:,{CLASS_ID})*)"', re.ASCII)
SEGMENT_COUNT = re.compile(r"# num_ytids=\d+, num_segs=(\d+), .*")
SEGMENT_COLUMNS = "YTID, start_seconds, end_seconds, positive_labels"


class OntologyEntry(BaseModel):
    """One entry of ontology.json."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=rf"^{CLASS_ID}$")]
    name: Annotated[str, Field(min_length=1)]
    description: str
    citation_uri: str
    positive_examples: list[str]
    child_ids: list[str]
    restrictions: list[Literal["abstract", "blacklist"]]


def read_ontology(path: str | Path) -> pa.Table:
    """The classes of an ontology.json (`CLASSES`), in the file's order; ids are unique and every child resolves."""
    entries: dict[str, tuple[int, OntologyEntry]] = {}
    for line, value in _json_items(Path(path)):
        try:
            entry = OntologyEntry.model_validate(value)
        except ValidationError as error:
            detail = error.errors()[0]
            place = ".".join(str(part) for part in detail["loc"])
            raise InputError(f"{path}:{line}: {place}: {detail['msg']}, got {detail['input']!r:.60}") from None
        if entry.id in entries:
            raise InputError(f"{path}:{line}: id {entry.id} again, first at line {entries[entry.id][0]}")
        entries[entry.id] = (line, entry)
    parents = defaultdict(list)
    for line, entry in entries.values():
        for child in entry.child_ids:
            if child not in entries:
                raise InputError(f"{path}:{line}: child {child} of {entry.id} is not in the ontology")
            parents[child].append(entry.id)
    rows = [
        {**entry.model_dump(include={"id", "name", "description", "restrictions"}), "parents": parents[entry.id]}
        for _, entry in entries.values()
    ]
    return pa.Table.from_pylist(rows, CLASSES)


def read_labels(path: str | Path) -> pa.Table:
    """The labelled classes of class_labels_indices.csv (`LABELS`); indices count up from 0."""
    rows: list[dict[str, Any]] = []
    for line, (index, name_id, name) in _csv_rows(Path(path), ["index", "mid", "display_name"]):
        if index != str(len(rows)):
            raise InputError(f"{path}:{line}: expected index {len(rows)}, got {index!r}")
        if not re.fullmatch(CLASS_ID, name_id, re.ASCII):
            raise InputError(f"{path}:{line}: expected a class id such as /m/09x0r, got {name_id!r}")
        rows.append({"index": len(rows), "id": name_id, "name": name})
    return pa.Table.from_pylist(rows, LABELS)


def read_segments(path: str | Path, split: str, known: Collection[str] | None = None) -> pa.Table:
    """The clips of a segments file such as eval_segments.csv (`CLIPS`); with `known`, every label must be one of them.

    The third line names the columns, with or without the leading `# ` of the upstream file. The number of rows must be
    the one that the second line states.
    """
    lines = read_utf8(path).split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    count = SEGMENT_COUNT.fullmatch(lines[1]) if len(lines) > 2 else None
    if count is None:
        raise InputError(f"{path}:2: expected `# num_ytids=.., num_segs=.., ..`, got {'; '.join(lines[1:2])!r:.60}")
    if lines[2].removeprefix("# ") != SEGMENT_COLUMNS:
        raise InputError(f"{path}:3: expected the columns `{SEGMENT_COLUMNS}`, got {lines[2]!r:.80}")
    rows: dict[str, dict[str, Any]] = {}
    for line, text in enumerate(lines[3:], start=4):
        row = _segment(text, f"{path}:{line}", split)
        unknown = [label for label in row["labels"] if known is not None and label not in known]
        if unknown:
            raise InputError(f"{path}:{line}: label {unknown[0]} is not in the ontology")
        if row["clip"] in rows:
            raise InputError(f"{path}:{line}: clip {row['clip']} again")
        rows[row["clip"]] = row
    if len(rows) != int(count[1]):
        raise InputError(f"{path}:2: the header states {count[1]} segments, the file holds {len(rows)}")
    return pa.Table.from_pylist(list(rows.values()), CLIPS)


def read_captions(path: str | Path, split: str) -> pa.Table:
    """The captions of an AudioCaps file (`CAPTIONS`)."""
    rows: dict[int, dict[str, Any]] = {}
    header = ["audiocap_id", "youtube_id", "start_time", "caption"]
    for line, (number, video, start, caption) in _csv_rows(Path(path), header):
        if not (re.fullmatch(r"\d+", number, re.ASCII) and re.fullmatch(r"\d+", start, re.ASCII)):
            raise InputError(
                f"{path}:{line}: audiocap_id and start_time must be whole numbers: got {number!r}, {start!r}"
            )
        if not re.fullmatch(VIDEO_ID, video):
            raise InputError(f"{path}:{line}: expected a YouTube id of eleven characters, got {video!r:.60}")
        if not caption.strip():
            raise InputError(f"{path}:{line}: the caption is empty")
        if int(number) in rows:
            raise InputError(f"{path}:{line}: audiocap_id {number} again")
        rows[int(number)] = {
            "caption_id": int(number),
            "clip": clip_name(video, float(start)),
            "id": video,
            "start": float(start),
            "caption": caption,
            "split": split,
        }
    return pa.Table.from_pylist(list(rows.values()), CAPTIONS)


def clip_name(video: str, start: float) -> str:
    """The unique name of a clip: video and start in milliseconds."""
    return f"{video}_{round(start * 1000)}"


def _segment(text: str, place: str, split: str) -> dict[str, Any]:
    match = SEGMENT.fullmatch(text)
    if match is None:
        raise InputError(
            f'{place}: expected `YTID, start, end, "label,..."` with seconds like 30.000, got {text!r:.80}'
        )
    start, end = float(match[2]), float(match[3])
    if not start < end:
        raise InputError(f"{place}: expected start before end, got {match[2]} and {match[3]}")
    name = clip_name(match[1], start)
    return {"clip": name, "id": match[1], "start": start, "end": end, "labels": match[4].split(","), "split": split}


def _csv_rows(path: Path, header: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each row after the expected header."""
    reader = csv.reader(io.StringIO(read_utf8(path), newline=""), strict=True)
    try:
        for i, row in enumerate(reader):
            if i == 0 and row != header:
                raise InputError(f"{path}:1: expected the columns {','.join(header)}, got {','.join(row)!r:.80}")
            if len(row) != len(header):
                raise InputError(f"{path}:{reader.line_num}: expected {len(header)} fields, got {len(row)}")
            if i:
                yield reader.line_num, row
        if reader.line_num == 0:
            raise InputError(f"{path}:1: expected the columns {','.join(header)}, got an empty file")
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {error}") from None


def _json_items(path: Path) -> Iterator[tuple[int, Any]]:
    """Line number and value of each item of a JSON list."""
    text, decoder, blank = read_utf8(path), json.JSONDecoder(), re.compile(r"\s*")

    def skip(position: int) -> int:
        return blank.match(text, position).end()  # type: ignore[union-attr]

    def expect(position: int, wanted: str) -> str:
        if text[position : position + 1] not in wanted or position >= len(text):
            line = text.count("\n", 0, position) + 1
            raise InputError(f"{path}:{line}: expected {' or '.join(wanted)}, got {text[position : position + 20]!r}")
        return text[position]

    position = skip(0)
    expect(position, "[")
    while True:
        position = skip(position + 1)
        line = text.count("\n", 0, position) + 1
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{error.lineno}: {error.msg}") from None
        yield line, value
        position = skip(position)
        if expect(position, ",]") == "]":
            position = skip(position + 1)
            if position != len(text):
                raise InputError(f"{path}:{text.count(chr(10), 0, position) + 1}: text after the end of the list")
            return
