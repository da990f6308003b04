"""Sound as a picture: log-mel spectrograms of short clips."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

__all__ = ["BANDS", "FRAMES", "HOP", "RATE", "WINDOW", "log_mel"]

RATE = 8_000  # Hz
WINDOW = 256  # samples
HOP = 80  # samples: 10 ms
BANDS = 32
FRAMES = 80  # 0.8 s; what is longer is cut, what is shorter is followed by silence
DYNAMIC_RANGE = 8.0  # decades of power below the clip's loudest point that are kept


@lru_cache
def _filters() -> Float[Tensor, "bands bins"]:
    bank = mel_filter_bank(
        num_frequency_bins=WINDOW // 2 + 1,
        num_mel_filters=BANDS,
        min_frequency=60.0,
        max_frequency=RATE / 2,
        sampling_rate=RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.as_tensor(bank.T, dtype=torch.float32)


def log_mel(samples: Float[Tensor, " n"]) -> Float[Tensor, "bands frames"]:
    """Log-mel spectrogram of one clip at `RATE`, `BANDS` by `FRAMES`, in [-1, 1]; 1 is the clip's loudest point."""
    length = HOP * (FRAMES - 1)
    samples = torch.nn.functional.pad(samples[:length], (0, max(length - len(samples), 0)))
    window = torch.hann_window(WINDOW)
    spectrum = torch.stft(samples, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True)
    power = (_filters() @ spectrum.abs().square()).clamp_min(1e-12).log10()
    return (power - power.max()).clamp_min(-DYNAMIC_RANGE) / (DYNAMIC_RANGE / 2) + 1
