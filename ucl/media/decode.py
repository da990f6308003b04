"""Files to arrays: images through pillow, audio through libsndfile; what cannot be decoded is a `MediaError`."""

from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float
from PIL import Image

from ucl.media.base import MediaError

__all__ = ["read_audio", "read_image"]

AUDIO_FORMATS = "WAV, FLAC, OGG or MP3"


def read_image(path: str | Path) -> Image.Image:
    """An image in RGB."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise MediaError(path, "no such file") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise MediaError(path, _first_line(error)) from None


def read_audio(path: str | Path, rate: int) -> Float[np.ndarray, " samples"]:
    """A mono waveform at `rate` Hz: channels averaged, resampled by soxr, as librosa loads a file.

    libsndfile reads WAV, FLAC, OGG and MP3. Other containers (MP4, M4A, WebM) need a conversion first, for example
    `ffmpeg -i clip.m4a clip.flac`; ffmpeg is not needed otherwise.
    """
    path = Path(path)
    if not path.is_file():
        raise MediaError(path, "no such file")
    try:
        wave, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise MediaError(path, f"{_first_line(error)}; convert it to {AUDIO_FORMATS}") from None
    if not len(wave):
        raise MediaError(path, "no samples")
    if not np.isfinite(wave).all():
        raise MediaError(path, "NaN or infinity among the samples")
    mono = wave.mean(axis=1)
    if source_rate != rate:
        import librosa  # half a second to import, and not needed at the right rate

        mono = librosa.resample(mono, orig_sr=source_rate, target_sr=rate)
    return mono


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
