"""Images and recordings as people have them: deep, turned, joined, broken off, and files that are none at all."""

import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from ucl.errors import InputError
from ucl.media.base import EncoderInfo, MediaError
from ucl.media.decode import read_audio, read_image
from ucl.media.embed import embed
from ucl.media.tower import Tower

RATE = 16_000
RAMP = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def tone(seconds, frequency=440.0):
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(int(RATE * seconds)) / RATE)


def told(call):
    with pytest.raises(MediaError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value.reason


def png(width, height, depth=8, colour=2, rows=b""):
    """A PNG by hand, whose header may claim any size."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.pgm", "x.jp2"])
def test_grey_of_16_bits_is_scaled_to_8(name, tmp_path):
    Image.fromarray(RAMP).save(tmp_path / name)
    found = np.asarray(read_image(tmp_path / name))
    assert found.shape == (48, 64, 3)
    assert np.array_equal(found, np.repeat(np.rint(RAMP / 257)[..., None], 3, 2))


def test_grey_of_a_tiff_may_have_12_bits_or_a_white_of_zero(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "white_is_zero.tif", tiffinfo={262: 0})
    assert np.array_equal(np.asarray(read_image(tmp_path / "white_is_zero.tif"))[..., 0], np.rint((65535 - RAMP) / 257))
    # Two pixels of 12 bits, 0xfff and 0x800, in three bytes; tags: type 3 is a short, 4 a long.
    tags = [(256, 3, 2), (257, 3, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 1), (279, 4, 3)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    content = b"II*\x00" + struct.pack("<I", 12) + b"\xff\xf8\x00\x00" + struct.pack("<H", len(tags)) + entries
    (tmp_path / "12.tif").write_bytes(content + bytes(4))
    assert np.asarray(read_image(tmp_path / "12.tif"))[0, :, 0].tolist() == [255, round(0x800 * 255 / 0xFFF)]


def test_colours_of_16_bits_keep_their_high_byte(tmp_path):
    deep = COLOURS.astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    (tmp_path / "x.png").write_bytes(png(7, 5, depth=16, rows=rows))
    assert np.array_equal(np.asarray(read_image(tmp_path / "x.png")), COLOURS)


@pytest.mark.parametrize(("kind", "words"), [("f4", "floating-point samples"), ("i4", "32-bit integers")])
def test_samples_without_a_white_are_refused(kind, words, tmp_path):
    Image.fromarray(RAMP.astype(kind)).save(tmp_path / "x.tif")
    assert told(lambda: read_image(tmp_path / "x.tif")).startswith(
        f"{words}, of which nobody knows what is white; save"
    )


# What a viewer does with the stored rows for each EXIF orientation (EXIF 2.3, table 6), in NumPy.
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("form", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_exif_orientation_is_applied(orientation, form, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{form}"
    Image.fromarray(COLOURS).save(path, exif=exif, **({"lossless": True, "exact": True} if form == "webp" else {}))
    stored = COLOURS
    if form == "jpg":  # the decoder's own rows, from a file without EXIF
        Image.fromarray(COLOURS).save(tmp_path / "plain.jpg")
        stored = np.asarray(Image.open(tmp_path / "plain.jpg"))
    assert np.array_equal(np.asarray(read_image(path)), UPRIGHT[orientation](stored))


def test_damaged_exif_data_leave_an_image_as_it_is(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "x.png", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert np.array_equal(np.asarray(read_image(tmp_path / "x.png")), COLOURS)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_size_a_header_claims_is_checked_before_anything_is_decoded(tmp_path):
    for width, height, words in [
        (100_000, 100_000, "100000 by 100000 pixels"),  # beyond pillow's own limit
        (10_000, 10_000, "10000 by 10000 pixels, more than the 67108864 that are read; make it smaller"),
        (2, 401, "2 by 401 pixels: a side 200 times the other is the limit; cut it"),
    ]:
        (tmp_path / "x.png").write_bytes(png(width, height))
        reason = told(lambda: read_image(tmp_path / "x.png"))
        assert words in reason or "decompression bomb" in reason


def claims(content, samples):
    """A FLAC or MP3 whose header claims another number of samples (1,152 in a frame of MP3)."""
    if content.startswith(b"fLaC"):  # 36 bits of STREAMINFO
        return content[:22] + struct.pack(">I", samples & 0xFFFFFFFF) + content[26:]
    place = content.index(b"Xing") + 8
    return content[:place] + struct.pack(">I", samples // 1152) + content[place + 4 :]


@pytest.mark.parametrize("form", ["flac", "mp3"])
def test_the_length_a_header_claims_is_checked_before_memory_is_allocated(form, tmp_path):
    soundfile.write(tmp_path / f"x.{form}", tone(1), RATE)
    path = tmp_path / f"claims.{form}"
    path.write_bytes(claims((tmp_path / f"x.{form}").read_bytes(), 2**32 - 1))
    start = time.monotonic()
    reason = told(lambda: read_audio(path, RATE))
    assert "by its header, more than the 67108864 that are read; cut it" in reason
    assert time.monotonic() - start < 1


def test_a_rate_that_would_make_a_recording_too_long_is_refused(tmp_path):
    soundfile.write(tmp_path / "x.wav", tone(1), 1)  # 16,000 samples at 1 Hz
    assert "16000 samples at 1 Hz" in told(lambda: read_audio(tmp_path / "x.wav", 48_000))


@pytest.mark.parametrize(
    ("form", "how"), [("flac", {}), ("mp3", {}), ("ogg", {}), ("ogg", {"subtype": "OPUS"}), ("wav", {})]
)
def test_two_recordings_in_one_file_are_not_read_as_the_first(form, how, tmp_path):
    for name, seconds in (("x", 1), ("y", 0.5)):
        soundfile.write(tmp_path / f"{name}.{form}", tone(seconds), RATE, **how)
        assert read_audio(tmp_path / f"{name}.{form}", RATE).shape == (RATE * seconds,)
    one, two = ((tmp_path / f"{name}.{form}").read_bytes() for name in "xy")
    joined = tmp_path / f"joined.{form}"
    joined.write_bytes(one + two)
    reason = told(lambda: read_audio(joined, RATE))
    assert "several recordings in one file; split it" in reason or form == "wav"


def test_two_mp3s_joined_are_told_whatever_headers_they_have(tmp_path):
    for name, seconds in (("x", 1), ("y", 0.5)):
        soundfile.write(tmp_path / f"{name}.mp3", tone(seconds), RATE)
    one, two = ((tmp_path / f"{name}.mp3").read_bytes() for name in "xy")
    bare = two[two.index(two[:2], 2) :]  # without its first frame, which holds the header
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(one + bare)
    assert "several recordings" in told(lambda: read_audio(joined, RATE))
    tags = [b"TAG" + bytes(125), b"APETAGEX" + bytes(200), b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)]
    for before, after in [(b"", tags[0]), (b"", tags[1]), (tags[2], b""), (tags[2], tags[0])]:
        joined.write_bytes(before + one + after)
        assert read_audio(joined, RATE).shape == (RATE,)


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "ogg"])
def test_a_recording_that_breaks_off_is_refused(form, tmp_path):
    soundfile.write(tmp_path / f"x.{form}", tone(2), RATE)
    whole = (tmp_path / f"x.{form}").read_bytes()
    (tmp_path / f"half.{form}").write_bytes(whole[: len(whole) // 2])
    told(lambda: read_audio(tmp_path / f"half.{form}", RATE))


def test_a_wav_that_was_written_to_a_pipe_is_read(tmp_path):
    """Its length was not known when its header was written: ffmpeg leaves the largest number."""
    soundfile.write(tmp_path / "x.wav", tone(1), RATE)
    whole = (tmp_path / "x.wav").read_bytes()
    assert (whole[:4], whole[36:40]) == (b"RIFF", b"data")
    (tmp_path / "x.wav").write_bytes(whole[:4] + b"\xff" * 4 + whole[8:40] + b"\xff" * 4 + whole[44:])
    assert read_audio(tmp_path / "x.wav", RATE).shape == (RATE,)


def test_numbers_that_overflow_are_infinity_and_told(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.full((9, 2), 3e38), RATE, subtype="FLOAT")
    assert told(lambda: read_audio(tmp_path / "x.wav", RATE)) == "NaN or infinity among the samples"


def unreadable(folder: Path) -> dict[str, Path]:
    """One of every kind of file that once ended a run, as sound and as picture."""
    good = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    good.save(folder / "x.avif")
    avif = (folder / "x.avif").read_bytes().replace(b"pitm", b"xxxx")
    soundfile.write(folder / "x.flac", tone(1), RATE)
    soundfile.write(folder / "x.mp3", tone(1), RATE)
    files = {
        "broken.avif": avif,
        "header_less.raw": bytes(1000),
        "empty.wav": b"",
        "text.jpg": b"no picture",
        "claims.flac": claims((folder / "x.flac").read_bytes(), 2**32 - 1),
        "claims.mp3": claims((folder / "x.mp3").read_bytes(), 2**41),
        "claims.png": png(9000, 9000),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "folder.wav").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "endless.wav").symlink_to("/dev/zero")
    names = [*files, "folder.wav", "pipe.png", "endless.wav", "gone.png", "n" * 300 + ".png", "null\0.png"]
    return {name: folder / name for name in names}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("modality", ["audio", "image"])
def test_every_unreadable_item_is_recorded_with_its_reason_and_the_run_goes_on(modality, tmp_path):
    (tmp_path / "media").mkdir()
    items = unreadable(tmp_path / "media")
    soundfile.write(tmp_path / "good.wav", tone(1), RATE)
    Image.fromarray(COLOURS).save(tmp_path / "good.png")
    good = {"audio": tmp_path / "good.wav", "image": tmp_path / "good.png"}[modality]

    def read(path):
        x = read_audio(path, RATE) if modality == "audio" else np.asarray(read_image(path), np.float32)
        return torch.tensor([float(x.mean())])

    encoder = Tower(EncoderInfo("mean", modality, 1, False, 1.0, "d"), read, torch.stack)
    store, failures = embed(
        encoder, {"first": good, **items, "last": good}, shards=tmp_path / "s", batch=3, max_failed=1.0, progress=False
    )
    assert store.ids == ["first", "last"]
    assert failures["id"].tolist() == list(items)
    assert failures["reason"].str.len().min() > 5
    assert not failures["reason"].str.contains("\n").any()


def test_a_damaged_shard_is_made_again(tmp_path):
    encoder = Tower(EncoderInfo("length", "text", 1, False, 1.0, "d"), len, lambda b: torch.tensor(b).float()[:, None])
    items = {"a": "rain", "b": "wind blows"}
    embed(encoder, items, shards=tmp_path, batch=2, progress=False)
    (tmp_path / "00000.parquet").write_bytes(b"PAR1 and nothing")
    store, _ = embed(encoder, items, shards=tmp_path, batch=2, progress=False)
    assert store.embeddings.tolist() == [[4], [10]]


def test_a_name_with_a_line_break_is_told_in_one_line(tmp_path):
    assert told(lambda: read_image(tmp_path / "two\nlines.png")) == "no such file"


def test_media_errors_are_input_errors(tmp_path):
    with pytest.raises(InputError, match=r"gone\.wav: no such file"):
        read_audio(tmp_path / "gone.wav", RATE)
