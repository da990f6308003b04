"""Random streams and candidates of the trials of `scaling`."""

import torch
from torch import Tensor

from ucl.errors import InputError
from ucl.experiments.scaling.config import ScalingRun
from ucl.runtime import generator

__all__ = ["stream", "trial_rows"]

CHANNELS = ("pool", "bank", "uniform", "order", "trial")  # purposes of random streams, after those of `synthetic`


def trial_rows(rows: int, params: ScalingRun) -> list[Tensor]:
    """The candidates of each trial: blocks of their own while there are enough rows, else random subsets."""
    if rows < params.candidates:
        raise InputError(f"scaling needs {params.candidates} pairs of A and C for its candidates: got {rows}")
    if rows >= params.trials * params.candidates:
        return list(torch.arange(params.trials * params.candidates).split(params.candidates))
    streams = [stream(params, "trial", trial) for trial in range(params.trials)]
    return [torch.randperm(rows, generator=stream)[: params.candidates] for stream in streams]


def stream(params: ScalingRun, purpose: str, trial: int = 0) -> torch.Generator:
    """Random numbers for one of `CHANNELS` and one trial."""
    return generator(params.seed, 100 + CHANNELS.index(purpose), trial)
