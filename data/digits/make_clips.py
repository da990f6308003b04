"""Synthesise the spoken digits that the repository ships: `python data/digits/make_clips.py` (needs espeak-ng).

Ten digits in five languages by twelve voices, 600 clips. Each is trimmed, brought to 8 kHz and a common peak, and kept
as a FLAC file of 8 bits inside one Parquet table beside its manifest. The same espeak-ng gives the same bytes; the
table in git was made with espeak-ng 1.51.
"""

import io
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from scipy.signal import resample_poly
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ucl.media.grammar import NUMBER_WORDS

from ucl.files import write_parquet

VOICE_OF_LANGUAGE = {"en": "en-us", "de": "de", "es": "es", "fr": "fr-fr", "it": "it"}
VARIANTS = ("m1", "m3", "m5", "m7", "f1", "f2", "f4", "f5", "klatt", "klatt4", "Andy", "Annie")
PITCHES = (30, 70)
SPEEDS = (140, 200)
RATE = 8_000
ESPEAK_RATE = 22_050
MARGIN = RATE // 100  # 10 ms of what espeak-ng says before and after the word


def main() -> None:
    rows = [
        clip(digit, language, variant)
        for digit in tqdm(range(10), unit="digit")
        for language in VOICE_OF_LANGUAGE
        for variant in VARIANTS
    ]
    target = Path(__file__).with_name("clips.parquet")
    write_parquet(pd.DataFrame(rows), target)
    print(f"{len(rows)} clips, {target.stat().st_size:,} bytes: {target}")


def clip(digit: int, language: str, variant: str) -> dict[str, object]:
    """One row of the table; pitch and speed are drawn from the clip's own name."""
    name = f"{language}_{variant}_{digit}"
    draw = random.Random(name)
    pitch, speed = draw.randint(*PITCHES), draw.randint(*SPEEDS)
    samples = synthesise(NUMBER_WORDS[language][digit], f"{VOICE_OF_LANGUAGE[language]}+{variant}", pitch, speed)
    return {
        "id": name,
        "digit": digit,
        "language": language,
        "voice": variant,
        "pitch": pitch,
        "speed": speed,
        "audio": encode(samples),
    }


def synthesise(word: str, voice: str, pitch: int, speed: int) -> np.ndarray:
    """Speech at 8 kHz, silence trimmed, peak at 0.9."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", word]
    wave = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(wave))
    if rate != ESPEAK_RATE:
        raise SystemExit(f"espeak-ng speaks at {rate} Hz with {voice}: expected {ESPEAK_RATE}; use another voice")
    samples = resample_poly(samples, RATE // 50, ESPEAK_RATE // 50)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[max(loud[0] - MARGIN, 0) : loud[-1] + MARGIN]
    return 0.9 * samples / np.abs(samples).max()


def encode(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="FLAC", subtype="PCM_S8")
    return file.getvalue()


if __name__ == "__main__":
    main()
