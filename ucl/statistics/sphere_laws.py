"""Points on the unit sphere S^(d-1): uniform, or tilted towards a pole by a density of the angle to it.

Every rotationally symmetric ("zonal") law has the density `g(cos t) sin(t)^(d-2)` of the angle t to its pole, whatever
d is; one inverse transform on a fine grid of angles serves them all, a whole batch of samples at a time.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import betaincinv
from torch import Tensor

__all__ = ["antipodal", "cap", "uniform_sphere", "von_mises_fisher"]

GRID = 20_001


def uniform_sphere(*shape: int, generator: torch.Generator) -> Float[Tensor, "*s n d"]:
    """Independent uniform points; `shape` ends in the number of points and the dimension."""
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


def von_mises_fisher(*shape: int, concentration: float, generator: torch.Generator) -> Float[Tensor, "*s n d"]:
    """Density proportional to `exp(concentration <pole, x>)`, with a uniformly random pole per sample."""
    return _zonal(shape, lambda t: concentration * np.cos(t), generator)


def cap(*shape: int, mass: float, generator: torch.Generator) -> Float[Tensor, "*s n d"]:
    """Uniform on the cap around a random pole that holds the share `mass` of the sphere."""
    height = 1 - 2 * betaincinv((shape[-1] - 1) / 2, (shape[-1] - 1) / 2, mass)  # cosines are Beta on [-1, 1]
    return _zonal(shape, lambda t: np.where(np.cos(t) >= height, 0.0, -np.inf), generator)


def antipodal(*shape: int, concentration: float, generator: torch.Generator) -> Float[Tensor, "*s n d"]:
    """Equal mixture of two von Mises-Fisher laws with opposite poles: its mean is zero, its axes are not alike."""
    points = von_mises_fisher(*shape, concentration=concentration, generator=generator)
    return points * (2 * torch.randint(2, (*shape[:-1], 1), generator=generator) - 1)


def _zonal(
    shape: tuple[int, ...], log_density: Callable[[np.ndarray], np.ndarray], generator: torch.Generator
) -> Float[Tensor, "*s n d"]:
    """Angle to the pole by inverse transform, direction around it uniform."""
    angles = (np.arange(GRID) + 0.5) * (np.pi / GRID)
    logs = log_density(angles) + (shape[-1] - 2) * np.log(np.sin(angles))
    mass = np.exp(logs - logs.max())
    cumulative = np.concatenate([[0.0], np.cumsum(mass)]) / mass.sum()
    edges = np.linspace(0, np.pi, GRID + 1)
    draws = torch.rand(*shape[:-1], 1, generator=generator, dtype=torch.float64)
    angle = torch.from_numpy(np.interp(draws.numpy(), cumulative, edges)).float()
    pole = uniform_sphere(*shape[:-2], 1, shape[-1], generator=generator)
    around = torch.randn(*shape, generator=generator)
    around = torch.nn.functional.normalize(around - (around * pole).sum(-1, keepdim=True) * pole, dim=-1)
    return torch.nn.functional.normalize(angle.cos() * pole + angle.sin() * around, dim=-1)
