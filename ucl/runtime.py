"""How a job uses the machine: its device, its threads, and the settings that keep it fast and repeatable."""

import os
from typing import Any

import torch
import torch.utils.deterministic

from ucl.logs import start_log

__all__ = ["generator", "prepare", "start"]


def start(job: Any) -> torch.device:
    """How every job of the workflow that computes begins: its log, its threads, and the device to work on."""
    start_log(job)
    return prepare(job.threads, int(job.resources.get("gpu", 0)))


def prepare(threads: int, gpu: int = 0) -> torch.device:
    """Set up the process and return its device: CUDA where a GPU was granted and is there, else the CPU.

    Denormal floats are flushed to zero: InfoNCE training drifts into them, at 10 to 27 times the cost of a step.
    The setting is per thread, so it is made before the pool of threads exists.
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it CUDA refuses deterministic products
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device("cuda" if gpu and torch.cuda.is_available() else "cpu")


def generator(*keys: int) -> torch.Generator:
    """A CPU generator whose stream depends on all of `keys` (a seed, a purpose, ...), the same on every device."""
    state = 0
    for key in keys:
        state = (state * 1_000_003 + key + 0x9E3779B97F4A7C15) % 2**63
    return torch.Generator().manual_seed(state)
