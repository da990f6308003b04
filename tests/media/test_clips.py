"""Fetching clips with the real yt-dlp and ffmpeg, from videos the test makes and serves on loopback; manifests."""

import http.server
import shutil
import subprocess
import threading
import time
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from ucl.errors import InputError
from ucl.media import clips as clips_module
from ucl.media.clips import FAILED_CLIPS, Clip, choose_clips, clip_manifest, fetch_clips
from ucl.media.manifest import manifest_items, read_manifest
from ucl.media.requirements import missing_tools
from ucl.media.tables import CLIPS

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on the PATH")
pytest.importorskip("yt_dlp", reason="yt-dlp is not installed (extra `audioset`)")


def make_video(path):
    """Six seconds: red, green, blue for two each; a tone of 500, 1000, 2000 Hz for two each."""
    colours = "".join(f"color=c={c}:s=64x48:d=2:r=10[v{i}];" for i, c in enumerate(["red", "lime", "blue"]))
    tones = "".join(f"sine=frequency={f}:duration=2:r=44100[a{i}];" for i, f in enumerate([500, 1000, 2000]))
    graph = colours + tones + "[v0][a0][v1][a1][v2][a2]concat=n=3:v=1:a=1[v][a]"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc", "-filter_complex", graph, "-map", "[v]"]
    command += ["-map", "[a]", "-pix_fmt", "yuv420p", "-g", "5", "-movflags", "faststart", "-shortest", str(path)]
    subprocess.run(command, check=True, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Videos on loopback; yields (folder, address pattern, list of the paths asked for)."""
    folder = tmp_path_factory.mktemp("site")
    make_video(folder / "videoAAAAAA.mp4")
    shutil.copy(folder / "videoAAAAAA.mp4", folder / "videoBBBBBB.mp4")
    (folder / "brokenAAAAA.mp4").write_bytes(b"no video at all")
    asked = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}/{{id}}.mp4", asked
        server.shutdown()
        thread.join()


def pitch(wave, rate):
    spectrum = np.abs(np.fft.rfft(wave))
    return np.fft.rfftfreq(len(wave), 1 / rate)[spectrum.argmax()]


@needs_ffmpeg
def test_clips_are_cut_where_asked_and_failures_are_logged(site, tmp_path):
    _, address, asked = site
    wanted = [
        Clip("videoAAAAAA_2250", "videoAAAAAA", 2.25, 3.75),
        Clip("gone0000000_0", "gone0000000", 0.0, 1.0),
        Clip("brokenAAAAA_0", "brokenAAAAA", 0.0, 1.0),
        Clip("videoBBBBBB_90000", "videoBBBBBB", 90.0, 100.0),
        Clip("videoBBBBBB_4500", "videoBBBBBB", 4.5, 5.5),
    ]
    log = fetch_clips(wanted, tmp_path, pause=0.0, address=address, progress=False)
    for clip, colour, tone in ((wanted[0], (0, 255, 0), 1000), (wanted[4], (0, 0, 255), 2000)):
        wave, rate = soundfile.read(tmp_path / "audio" / f"{clip.name}.flac")
        assert (rate, wave.ndim) == (48_000, 1)
        assert len(wave) / rate == pytest.approx(clip.end - clip.start, abs=0.05)
        assert pitch(wave, rate) == pytest.approx(tone, rel=0.01)
        with Image.open(tmp_path / "image" / f"{clip.name}.jpg") as image:
            assert image.size == (64, 48)
            assert np.abs(np.asarray(image).mean((0, 1)) - colour).max() < 30
    reasons = {row["clip"]: row["reason"] for row in log.to_pylist()}
    assert set(reasons) == {"gone0000000_0", "brokenAAAAA_0", "videoBBBBBB_90000"}
    assert "404" in reasons["gone0000000_0"]
    assert all(reasons.values())
    assert pq.read_table(tmp_path / "failures.parquet").equals(log)
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5  # two clips of two files, the log; nothing half-written

    asked.clear()
    again = fetch_clips(wanted, tmp_path, pause=0.0, address=address, progress=False)
    assert not asked
    assert again.equals(log)
    (tmp_path / "image" / "videoAAAAAA_2250.jpg").unlink()
    fetch_clips(wanted[:1], tmp_path, pause=0.0, address=address, progress=False)
    assert (tmp_path / "image" / "videoAAAAAA_2250.jpg").exists()


@needs_ffmpeg
def test_a_dead_network_stops_the_run_and_condemns_no_clip(site, tmp_path, monkeypatch):
    _, address, _ = site
    monkeypatch.setattr(clips_module, "IN_A_ROW", 3)
    wanted = [Clip("videoAAAAAA_0", "videoAAAAAA", 0.0, 1.0)]
    wanted += [Clip(f"gone000000{i}_0", f"gone000000{i}", 0.0, 1.0) for i in range(5)]
    with pytest.raises(InputError, match=r"3 clips in a row failed, the last one: .*404"):
        fetch_clips(wanted, tmp_path, pause=0.0, address=address, progress=False)
    assert (tmp_path / "audio" / "videoAAAAAA_0.flac").exists()
    assert len(pq.read_table(tmp_path / "failures.parquet")) == 0


@needs_ffmpeg
def test_clips_keep_their_distance(site, tmp_path):
    _, address, _ = site
    wanted = [Clip(f"gone000000{i}_0", f"gone000000{i}", 0.0, 1.0) for i in range(3)]
    begun = time.monotonic()
    fetch_clips(wanted, tmp_path, pause=0.3, address=address, progress=False)
    assert time.monotonic() - begun >= 0.9


def test_missing_tools_are_one_line_each(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(missing_tools()) == 1
    with pytest.raises(InputError, match="ffmpeg: not on the PATH; install it"):
        fetch_clips([], tmp_path, pause=0.0, progress=False)


@pytest.mark.parametrize(
    "facts",
    [
        ("a/../b", "id", 0.0, 1.0),
        ("a", "i;d", 0.0, 1.0),
        ("a", "id", 2.0, 1.0),
        ("a", "id", -1.0, 1.0),
        ("", "id", 0.0, 1.0),
    ],
)
def test_names_that_are_no_file_names_are_refused(facts):
    with pytest.raises(InputError, match="clip"):
        Clip(*facts)


ROWS = [
    {"id": "x", "audio": "a/x.wav", "image": "x.jpg", "text": "rain, falling"},
    {"id": "y", "audio": "", "image": "y.jpg", "text": ""},
]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_manifest_in_either_form(suffix, tmp_path):
    path = tmp_path / f"manifest{suffix}"
    if suffix == ".csv":
        path.write_text('id,audio,image,text\nx,a/x.wav,x.jpg,"rain, falling"\ny,,y.jpg,\n')
    else:
        pq.write_table(pa.Table.from_pylist([ROWS[0], {**ROWS[1], "audio": None}]), path)
    manifest = read_manifest(path)
    assert manifest["text"].to_pylist() == ["rain, falling", ""]
    assert manifest_items(manifest, "audio") == {"x": tmp_path / "a" / "x.wav"}
    assert manifest_items(manifest, "image") == {"x": tmp_path / "x.jpg", "y": tmp_path / "y.jpg"}
    assert manifest_items(manifest, "text") == {"x": "rain, falling"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("id,audio,image\n", r":1: expected the columns id,audio,image,text"),
        ("id,audio,image,text\nx,a,b\n", r":2: expected 4 fields, got 3"),
        ("id,audio,image,text\nx,a,b,c\nx,a,b,c\n", r":3: id 'x' again, first at 2"),
        ("id,audio,image,text\n,a,b,c\n", r":2: the id is empty"),
        ("id,audio,image,text\nx,,,\n", r":2: neither audio nor image nor text"),
        ('id,audio,image,text\nx,"a,b,c\n', r":2: unexpected end"),
        ("id,audio,image,text\n", r"no rows"),
    ],
)
def test_a_wrong_manifest_is_told_with_its_line(content, told, tmp_path):
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(InputError, match=told):
        read_manifest(tmp_path / "m.csv")


def test_a_manifest_that_is_not_there_or_no_parquet(tmp_path):
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(tmp_path / "m.csv")
    (tmp_path / "m.parquet").write_text("x")
    with pytest.raises(InputError, match=r"m\.parquet: not a Parquet file"):
        read_manifest(tmp_path / "m.parquet")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "m.parquet")
    with pytest.raises(InputError, match=r"m\.parquet: expected the columns"):
        read_manifest(tmp_path / "m.parquet")


def test_the_choice_of_clips_is_the_same_and_grows(tmp_path):
    rows = [{"clip": f"v{i:010d}_0", "id": f"v{i:010d}", "start": 0.0, "end": 10.0} for i in range(50)]
    table = pa.Table.from_pylist([{**row, "labels": ["/m/a"], "split": "eval"} for row in rows], CLIPS)
    few, many = choose_clips(table, 5), choose_clips(table, 20)
    assert many[:5] == few
    assert len(set(many)) == 20
    assert many != sorted(many, key=lambda clip: clip.name)
    assert len(choose_clips(table, 99)) == 50
    failed = pa.Table.from_pylist([{"clip": few[1].name, "address": "a", "reason": "gone"}], FAILED_CLIPS)
    manifest = clip_manifest(few, failed, tmp_path)
    assert manifest["id"].to_pylist() == [clip.name for i, clip in enumerate(few) if i != 1]
    sounds = manifest_items(manifest, "audio")
    assert sounds[few[0].name] == tmp_path / "audio" / f"{few[0].name}.flac"
    assert manifest_items(manifest, "text") == {}
