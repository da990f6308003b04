"""AudioSet's clips from their videos: ten seconds of audio and the middle frame, politely, and resumable.

yt-dlp finds the address of a video's streams, ffmpeg reads only the part that is needed. What cannot be had (removed,
private) is written to a log and not asked for again until the log is deleted; finished clips are never fetched twice.
"""

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import soundfile
import torch
from tqdm import tqdm

from ucl.errors import InputError
from ucl.files import read_table, replacing, write_table
from ucl.media.base import MediaError
from ucl.media.manifest import MANIFEST
from ucl.media.requirements import YOUTUBE, missing_tools
from ucl.runtime import generator

__all__ = ["FAILED_CLIPS", "Clip", "choose_clips", "clip_manifest", "fetch_clips"]

AUDIO_RATE = 48_000
SECONDS_PER_CLIP = 180  # a stream that takes longer counts as failed
IN_A_ROW = 10
FAILED_CLIPS = pa.schema([("clip", pa.string()), ("address", pa.string()), ("reason", pa.string())])
FORMATS = "bestvideo[height<=480]+bestaudio/best[height<=480]/best"


@dataclass(frozen=True)
class Clip:
    """A stretch of a video, in seconds."""

    name: str
    id: str
    start: float
    end: float

    def __post_init__(self) -> None:
        # Names become file names and ids part of an address: nothing but these characters.
        if not (re.fullmatch(r"[\w-]+", self.name, re.ASCII) and re.fullmatch(r"[\w-]+", self.id, re.ASCII)):
            raise InputError(f"clip names and ids hold letters, digits, - and _ only: got {self.name!r}, {self.id!r}")
        if not 0 <= self.start < self.end:
            raise InputError(f"clip {self.name}: expected 0 <= start < end, got {self.start} and {self.end}")


def fetch_clips(
    clips: Sequence[Clip], folder: str | Path, *, pause: float, address: str = YOUTUBE, progress: bool = True
) -> pa.Table:
    """Fetch `clips` into `folder` (`audio/<name>.flac`, 48 kHz mono; `image/<name>.jpg`, the middle frame).

    At most one clip is begun every `pause` seconds. Returns the log of what could not be had (`FAILED_CLIPS`), which
    is also kept in `folder/failures.parquet`. Raises `InputError` where a tool is missing, or where ten clips in a row
    fail (no network, or the host has had enough of us): those ten are not put in the log.
    """
    missing = missing_tools()
    if missing:
        raise InputError("; ".join(missing))
    folder = Path(folder)
    log_path = folder / "failures.parquet"
    log: dict[str, dict[str, str]] = _read_log(log_path)
    fresh: list[dict[str, str]] = []
    for clip in tqdm(clips, desc="clips", unit="clip", disable=not progress):
        if clip.name in log or _finished(clip, folder):
            continue
        begun = time.monotonic()
        where = address.format(id=clip.id)
        try:
            _fetch(clip, where, folder)
            log |= {entry["clip"]: entry for entry in fresh}
            fresh = []
        except MediaError as error:
            fresh.append({"clip": clip.name, "address": where, "reason": error.reason})
        if len(fresh) == IN_A_ROW:
            raise InputError(f"{IN_A_ROW} clips in a row failed, the last one: {fresh[-1]['reason']}; run again later")
        write_table(_table(log), log_path)
        time.sleep(max(0.0, begun + pause - time.monotonic()))
    log |= {entry["clip"]: entry for entry in fresh}
    table = _table(log)
    write_table(table, log_path)
    return table.filter(pa.compute.is_in(table["clip"], pa.array([clip.name for clip in clips], pa.string())))


def choose_clips(table: pa.Table, count: int) -> list[Clip]:
    """`count` clips of a table (`ucl.media.tables.CLIPS`), at random but always the same ones; a larger count adds."""
    rows = table.select(["clip", "id", "start", "end"]).to_pylist()
    order = torch.randperm(len(rows), generator=generator(len(rows))).tolist()
    return [Clip(*rows[i].values()) for i in order[:count]]


def clip_manifest(clips: Sequence[Clip], failed: pa.Table, folder: str | Path) -> pa.Table:
    """The manifest (`ucl.media.manifest.MANIFEST`) of the clips that were had."""
    lost = set(failed["clip"].to_pylist())
    names = [clip.name for clip in clips if clip.name not in lost]
    files = [(name, *(str(path) for path in _files(name, Path(folder))), "") for name in names]
    return pa.Table.from_pylist([dict(zip(MANIFEST.names, row, strict=True)) for row in files], MANIFEST)


def _files(name: str, folder: Path) -> tuple[Path, Path]:
    return folder / "audio" / f"{name}.flac", folder / "image" / f"{name}.jpg"


def _finished(clip: Clip, folder: Path) -> bool:
    return all(path.exists() for path in _files(clip.name, folder))


def _fetch(clip: Clip, where: str, folder: Path) -> None:
    """Both files of one clip; `MediaError` with the reason where it cannot be had."""
    streams = _streams(where)
    sound, picture = _files(clip.name, folder)
    audio, video = _pick(streams, "acodec"), _pick(streams, "vcodec")
    if audio is None or video is None:
        raise MediaError(where, "no audio" if audio is None else "no picture")
    length = ["-t", f"{clip.end - clip.start:.3f}"]
    with replacing(sound) as flac, replacing(picture) as jpeg:  # both or none
        _ffmpeg(audio, clip.start, [*length, "-vn", "-ac", "1", "-ar", str(AUDIO_RATE), "-c:a", "flac"], flac)
        _ffmpeg(video, (clip.start + clip.end) / 2, ["-an", "-frames:v", "1", "-q:v", "2"], jpeg)
        if soundfile.info(flac).frames == 0:
            raise MediaError(where, "no sound at this time of the video")


def _streams(where: str) -> list[dict[str, Any]]:
    """The formats that yt-dlp picks: one of video and one of audio, or one with both."""
    import yt_dlp

    options = {
        "format": FORMATS,
        "quiet": True,
        "no_warnings": True,
        "noplaylist": True,
        "cachedir": False,
        "socket_timeout": 20,
        "retries": 2,
        "logger": _Silent(),
    }
    try:
        with yt_dlp.YoutubeDL(options) as downloader:
            info = downloader.extract_info(where, download=False)
    except yt_dlp.utils.YoutubeDLError as error:
        raise MediaError(where, re.sub(r"^ERROR: ", "", str(error).splitlines()[0])) from None
    return list(info.get("requested_formats") or [info])


def _pick(streams: list[dict[str, Any]], codec: str) -> dict[str, Any] | None:
    """The first stream with this codec; yt-dlp says `none` where it knows there is none."""
    return next((stream for stream in streams if stream.get(codec) != "none"), None)


def _ffmpeg(stream: Mapping[str, Any], start: float, options: list[str], path: Path) -> None:
    """Run ffmpeg on a part of a remote stream; arguments go to it as a list, never through a shell."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in (stream.get("http_headers") or {}).items())
    source = ["-protocol_whitelist", "http,https,tcp,tls,crypto,hls,httpproxy", "-headers", headers]
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *source, "-ss", f"{start:.3f}", "-i", str(stream["url"])]
    try:
        done = subprocess.run(
            [*command, *options, str(path)], capture_output=True, timeout=SECONDS_PER_CLIP, check=False
        )
    except subprocess.TimeoutExpired:
        raise MediaError(stream["url"], f"took longer than {SECONDS_PER_CLIP} seconds") from None
    if done.returncode or not path.exists() or not path.stat().st_size:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise MediaError(stream["url"], f"ffmpeg: {told[-1] if told else 'nothing at this time of the video'}")


class _Silent:
    """A logger for yt-dlp: its errors are raised as well, and reported once."""

    def debug(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str) -> None: ...


def _read_log(path: Path) -> dict[str, dict[str, str]]:
    return {row["clip"]: row for row in read_table(path).to_pylist()} if path.exists() else {}


def _table(log: Mapping[str, dict[str, str]]) -> pa.Table:
    return pa.Table.from_pylist([log[name] for name in sorted(log)], FAILED_CLIPS)
