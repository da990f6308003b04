"""Files to arrays: images through pillow (drawings through resvg before), audio through libsndfile; or a `MediaError`.

A decoder raises errors of many types of its own on a damaged file, and all of them mean the same here: this item cannot
be read. What a header claims is checked before memory is allocated for it.
"""

import io
import mmap
import re
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float
from PIL import ExifTags, Image

from ucl.errors import one_line
from ucl.files import why_not_a_file
from ucl.media.base import MediaError, Modality
from ucl.media.drawings import draw

__all__ = ["SUFFIXES", "read_audio", "read_image", "sampling_rate"]

# How files that can be decoded are called.
SUFFIXES: dict[Modality, tuple[str, ...]] = {
    "image": (
        ".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm",
        ".jp2", ".j2k", ".svg",
    ),
    "audio": (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
}  # fmt: skip
AUDIO_FORMATS = "WAV, FLAC, OGG or MP3"
IMAGE_FORMATS = ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000"]
PIXELS = 2**26  # of an image, at most: 8,192 by 8,192
ASPECT = 200  # a longer strip, resized by its short side, would not fit in memory
SAMPLES = 2**26  # of a recording, at most, as it is stored and as it is asked for: 23 minutes at 48 kHz
BLOCK = 2**20  # numbers that are decoded at a time
MP3_DELAY = 2 * 1152  # samples that encoders count in one way or another: two frames

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# How a file of each format begins, in bytes that a single recording holds once.
XING = rb"\xff[\xe2-\xff][\x10-\xef].(?:\x00{9}|\x00{17}|\x00{32})(?:Xing|Info)"  # in an MPEG frame of silence
BEGINNINGS = {
    "FLAC": re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"),
    "OGG": re.compile(rb"OggS\x00[\x02\x06]"),
    "MP3": re.compile(XING, re.DOTALL),
}


def read_image(path: str | Path) -> Image.Image:
    """An image in RGB, 8 bits a channel, the right way up (its EXIF orientation applied), on white paper.

    JPEG, PNG, WebP, AVIF, TIFF, BMP, GIF (the first picture), PPM and JPEG 2000, of at most 67 million pixels, and
    drawings (SVG), 512 pixels wide. What is transparent is white, not the colour that a file hides there. Grey of 9 to
    16 bits is scaled to 8; what has no agreed white (32-bit integers, floating-point samples) is refused.
    """
    _check_regular(path)
    try:
        source = io.BytesIO(draw(path)) if Path(path).suffix.lower() == ".svg" else path
        with Image.open(source, formats=IMAGE_FORMATS) as image:
            _check_size(path, image.size)
            image.load()
            turn = TURNS.get(_orientation(image))
            rgb = _to_rgb(path, image)
            return rgb if turn is None else rgb.transpose(turn)
    except MediaError:
        raise
    except Exception as error:
        raise MediaError(path, one_line(error)) from None


def read_audio(path: str | Path, rate: int) -> Float[np.ndarray, " samples"]:
    """A mono waveform at `rate` Hz: channels averaged, resampled by soxr, as librosa loads a file.

    libsndfile reads WAV, FLAC, OGG and MP3. Other containers (MP4, M4A, WebM) need a conversion first, for example
    `ffmpeg -i clip.m4a clip.flac`; ffmpeg is not needed otherwise. At most 67 million samples; a recording that breaks
    off, and two that were joined into one file (of which decoders play the first alone), are refused.
    """
    _check_regular(path)
    try:
        with soundfile.SoundFile(path) as file:
            source_rate = file.samplerate
            mono = _decode(path, file, rate)
            kind = file.format
        if kind in ("WAV", "WAVEX"):
            _check_whole(path)
        if _is_joined(path, kind):
            raise MediaError(path, f"several recordings in one file; split it, or join them into one ({AUDIO_FORMATS})")
        if source_rate != rate:
            import librosa  # half a second to import, and not needed at the right rate

            mono = librosa.resample(mono, orig_sr=source_rate, target_sr=rate)
    except MediaError:
        raise
    except Exception as error:
        raise MediaError(path, f"{one_line(error)}; convert it to {AUDIO_FORMATS}") from None
    if not np.isfinite(mono).all():
        raise MediaError(path, "NaN or infinity among the samples")
    return mono


def sampling_rate(path: str | Path) -> int:
    """The sampling rate of a recording in Hz, by its header."""
    _check_regular(path)
    try:
        return int(soundfile.info(path).samplerate)
    except Exception as error:
        raise MediaError(path, f"{one_line(error)}; convert it to {AUDIO_FORMATS}") from None


def _check_regular(path: str | Path) -> None:
    """Refuse what is not a file."""
    if (reason := why_not_a_file(path)) is not None:
        raise MediaError(path, reason)


def _check_size(path: str | Path, size: tuple[int, int]) -> None:
    """Refuse a picture whose header claims more than is read."""
    width, height = size
    if width * height > PIXELS:
        raise MediaError(path, f"{width} by {height} pixels, more than the {PIXELS} that are read; make it smaller")
    if max(size) > ASPECT * min(size):
        raise MediaError(path, f"{width} by {height} pixels: a side {ASPECT} times the other is the limit; cut it")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; upright where the EXIF data are damaged, as browsers have it."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1


def _to_rgb(path: str | Path, image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        tags = getattr(image, "tag_v2", {})  # of a TIFF: grey may have 12 bits, and white may be zero
        full = 2 ** int(tags.get(ExifTags.Base.BitsPerSample, (16,))[0]) - 1
        grey = np.asarray(image).astype(np.float32)
        if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
            grey = full - grey
        return Image.fromarray(np.rint(grey * (255 / full)).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        kind = "32-bit integers" if image.mode == "I" else "floating-point samples"
        raise MediaError(path, f"{kind}, of which nobody knows what is white; save it with 8 or 16 bits a channel")
    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    return paper.convert("RGB")


def _decode(path: str | Path, file: soundfile.SoundFile, rate: int) -> Float[np.ndarray, " samples"]:
    """All samples, channels averaged, block by block."""
    claimed = file.frames
    if not claimed:
        raise MediaError(path, "no samples")
    if max(claimed, claimed * rate / file.samplerate) > SAMPLES:
        length = f"{claimed} samples at {file.samplerate} Hz"
        raise MediaError(path, f"{length} by its header, more than the {SAMPLES} that are read; cut it")
    mono, read = np.empty(claimed, np.float32), 0
    with np.errstate(over="ignore", invalid="ignore"):  # told as infinity in the end
        while len(block := file.read(max(BLOCK // file.channels, 1), dtype="float32", always_2d=True)):
            mono[read : read + len(block)] = block.mean(axis=1)
            read += len(block)
    if read < claimed - (MP3_DELAY if file.format == "MP3" else 0):
        raise MediaError(path, f"it breaks off after {read} of {claimed} samples; get the whole file")
    return mono[:read]


def _check_whole(path: str | Path) -> None:
    """Refuse a WAV file that is shorter than its header claims: libsndfile reads what there is without a word.

    Programs that write to a pipe leave the largest numbers there are, and some count the header's eight bytes twice.
    """
    with Path(path).open("rb") as file:
        claimed, size = int.from_bytes(file.read(8)[4:], "little"), Path(path).stat().st_size
    if size < claimed < 2**31 - 2**16:
        raise MediaError(path, f"it breaks off after {size} of {claimed + 8} bytes; get the whole file")


def _is_joined(path: str | Path, kind: str) -> bool:
    """Whether a second recording follows the first, which libsndfile does not read."""
    if kind not in BEGINNINGS:
        return False
    with Path(path).open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = [match.span() for match in islice(BEGINNINGS[kind].finditer(content), 2)]
        if len(found) == 1 and kind == "MP3":
            end = _end(content, *found[0])
            return _plays(content[end : end + BLOCK])
        return len(found) == 2


def _end(content: mmap.mmap, start: int, tag: int) -> int:
    """Where an MP3 stream ends by its Xing header: flags, the number of frames (if 1 is set), of bytes (if 2 is)."""
    flags = content[tag + 3]
    place = tag + 4 + 4 * (flags & 1)
    return start + int.from_bytes(content[place : place + 4], "big") if flags & 2 else len(content)


def _plays(rest: bytes) -> bool:
    """Whether bytes are a recording (tags at a file's end are not)."""
    try:
        return soundfile.info(io.BytesIO(rest)).frames > 0
    except Exception:
        return False
