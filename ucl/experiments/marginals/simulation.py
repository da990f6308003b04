"""How often each test of uniformity and normality rejects: its size on simulated null data, its power elsewhere."""

import math
from collections.abc import Callable, Iterator

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ucl.experiments.marginals.level import LEVEL
from ucl.runtime import generator
from ucl.statistics.normality import GAUSSIAN_TESTS, gaussianity
from ucl.statistics.sphere_laws import antipodal, cap, uniform_sphere, von_mises_fisher
from ucl.statistics.uniformity import SPHERE_TESTS, published_ks

__all__ = ["gaussian_rejections", "published_example", "sphere_rejections"]

BATCH = 2**23  # numbers a batch of samples holds, about
Sampler = Callable[[int, int, int, torch.Generator], Tensor]  # (samples, n, d) -> [samples, n, d]

# Strengths are in units in which a coordinate of a uniform point, times sqrt(d), is about standard normal.
SPHERE_ALTERNATIVES: dict[str, Sampler] = {
    "uniform": lambda s, n, d, g: uniform_sphere(s, n, d, generator=g),
    "von Mises-Fisher": lambda s, n, d, g: von_mises_fisher(s, n, d, concentration=0.5 * math.sqrt(d), generator=g),
    "cap": lambda s, n, d, g: cap(s, n, d, mass=0.7, generator=g),
    "antipodal mixture": lambda s, n, d, g: antipodal(s, n, d, concentration=1.5 * math.sqrt(d), generator=g),
}


def _student(samples: int, n: int, d: int, random: torch.Generator) -> Tensor:
    """Multivariate t with 10 degrees of freedom: heavy tails shared by all coordinates."""
    chi2 = torch.randn(samples, n, 10, generator=random).square().mean(-1, keepdim=True)
    return torch.randn(samples, n, d, generator=random) / chi2.sqrt()


def _two_groups(samples: int, n: int, d: int, random: torch.Generator) -> Tensor:
    """Two Gaussians of unequal weight (1 to 3), 3 standard deviations apart along one axis."""
    x = torch.randn(samples, n, d, generator=random)
    x[..., 0] += 3 * (torch.rand(samples, n, generator=random) < 0.25)
    return x


GAUSSIAN_ALTERNATIVES: dict[str, Sampler] = {
    "Gaussian": lambda s, n, d, g: torch.randn(s, n, d, generator=g),
    "Student t, 10 df": _student,
    "two groups": _two_groups,
    "uniform on the sphere": lambda s, n, d, g: uniform_sphere(s, n, d, generator=g),
}


def sphere_rejections(
    d: int, points: int, null_samples: int, power_samples: int, progress: bool = True
) -> pd.DataFrame:
    """Rejections at 5 % of every test of uniformity, and of the paper's reading (mean p of a coordinate below 5 %).

    A table test, alternative, d, n, rejections, samples: `null_samples` uniform ones, `power_samples` of other laws.
    """
    names = [*SPHERE_TESTS, "published_ks"]

    def reject(x: Tensor, random: torch.Generator) -> list[int]:
        p_values = [test(x).p_value for test in SPHERE_TESTS.values()] + [published_ks(x, generator=random)]
        return [int((p <= LEVEL).sum()) for p in p_values]

    return _table(SPHERE_ALTERNATIVES, names, reject, d, points, null_samples, power_samples, progress)


def gaussian_rejections(
    d: int, points: int, draws: int, null_samples: int, power_samples: int, progress: bool = True
) -> pd.DataFrame:
    """The same for the tests of normality, calibrated by `draws` samples from the null."""

    def reject(x: Tensor, random: torch.Generator) -> list[int]:
        outcomes = gaussianity(x, draws=draws)
        return [int((outcomes[name].p_value <= LEVEL).sum()) for name in GAUSSIAN_TESTS]

    return _table(GAUSSIAN_ALTERNATIVES, list(GAUSSIAN_TESTS), reject, d, points, null_samples, power_samples, progress)


def published_example(samples: int, progress: bool = True) -> pd.DataFrame:
    """A von Mises-Fisher law (concentration 50, d = 512, n = 632) as every test sees it: median p-value, rejections."""
    p_values: dict[str, list[Tensor]] = {name: [] for name in [*SPHERE_TESTS, "published_ks"]}
    random = generator(50, 512, 632)
    for _ in tqdm(range(samples), "the paper's reading", unit="sample", disable=not progress):
        x = von_mises_fisher(1, 632, 512, concentration=50.0, generator=random)
        for name, test in SPHERE_TESTS.items():
            p_values[name].append(test(x).p_value)
        p_values["published_ks"].append(published_ks(x, generator=random))
    joined = {name: torch.cat(values) for name, values in p_values.items()}
    rows = [(name, float(p.median()), int((p <= LEVEL).sum()), samples) for name, p in joined.items()]
    return pd.DataFrame(rows, columns=["test", "median_p", "rejections", "samples"])


def _table(
    alternatives: dict[str, Sampler],
    tests: list[str],
    reject: Callable[[Tensor, torch.Generator], list[int]],
    d: int,
    n: int,
    null_samples: int,
    power_samples: int,
    progress: bool,
) -> pd.DataFrame:
    """Count rejections; the first of `alternatives` is the null."""
    counts = {name: null_samples if i == 0 else power_samples for i, name in enumerate(alternatives)}
    rows = []
    with tqdm(total=sum(counts.values()), desc=f"d = {d}", unit="sample", disable=not progress) as bar:
        for i, (name, samples) in enumerate(counts.items()):
            random, rejections = generator(d, n, i), torch.zeros(len(tests), dtype=torch.long)
            for size in _batches(samples, max(1, BATCH // (n * max(n, d)))):
                rejections += torch.tensor(reject(alternatives[name](size, n, d, random), random))
                bar.update(size)
            found = zip(tests, rejections.tolist(), strict=True)
            rows += [(test, name, d, n, rejected, samples) for test, rejected in found]
    return pd.DataFrame(rows, columns=["test", "alternative", "d", "n", "rejections", "samples"])


def _batches(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)
