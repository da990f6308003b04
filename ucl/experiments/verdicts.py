"""The rules by which measured intervals become verdicts: the same for all claims, and none is chosen by its outcome.

A comparison is True or False where the 95 % interval of the difference lies on one side of what is asked, else None.
The two estimates are taken as independent, which for seeds that both share makes the interval wider, never narrower
where they rise and fall together.
"""

from collections.abc import Iterable, Mapping

from scipy.stats import binomtest, t

from ucl.reporting.claims import Verdict
from ucl.statistics.intervals import Interval

__all__ = ["Answer", "above", "every", "level", "mean", "of_seeds", "rejects", "told", "verdict"]

Answer = bool | None
FEWEST = 5  # seeds that a verdict needs where the rule is about means and not about intervals


def mean(entry: Mapping[str, float], seeds: int | None = None) -> Interval:
    """The interval of an entry of metrics: by its `ci95`, or its `sd` over `seeds`; of a single seed, without end."""
    value = entry["recall_at_1"]
    count = int(entry.get("seeds", seeds or 1))
    if "ci95" in entry:
        half = entry["ci95"] if count > 1 else float("inf")
    else:
        half = float(t.ppf(0.975, count - 1)) * entry["sd"] / count**0.5 if count > 1 else float("inf")
    return Interval(value, value - half, value + half)


def told(found: Interval) -> str:
    """A mean and half its interval, as the claims' table shows it."""
    half = (found.high - found.low) / 2
    return f"{found.value:.2f}" if half == float("inf") else f"{found.value:.2f} ± {half:.2f}"


def above(x: Interval, y: Interval, by: float = 0.0) -> Answer:
    """Whether `x` exceeds `y` by more than `by`."""
    low, high = _difference(x, y)
    return True if low > by else False if high < by else None


def level(x: Interval, y: Interval, within: float) -> Answer:
    """Whether `x` and `y` are at most `within` apart."""
    low, high = _difference(x, y)
    if -within <= low and high <= within:
        return True
    return False if low > within or high < -within else None


def rejects(share: float, samples: int, size: float = 0.05) -> bool:
    """Whether a test of that size rejects in more of the samples than chance allows (exact binomial, at 5 %)."""
    return bool(binomtest(round(share * samples), samples, size, "greater").pvalue < 0.05)


def of_seeds(answer: bool, seeds: int) -> Answer:
    """An answer that rests on means over seeds: open where they are few."""
    return answer if seeds >= FEWEST else None


def every(answers: Iterable[Answer]) -> Answer:
    """Whether all are so: no where one is not, open where one is open."""
    found = list(answers)
    return False if False in found else None if None in found else True


def verdict(as_claimed: Answer, in_part: Answer = False) -> Verdict:
    """`in_part` says whether what is left of a claim that does not hold as it stands does hold."""
    if as_claimed or as_claimed is None:
        return Verdict.HOLDS if as_claimed else Verdict.OPEN
    return Verdict.OPEN if in_part is None else Verdict.CORRECTED if in_part else Verdict.FAILS


def _difference(x: Interval, y: Interval) -> tuple[float, float]:
    half = (((x.high - x.low) / 2) ** 2 + ((y.high - y.low) / 2) ** 2) ** 0.5
    return x.value - y.value - half, x.value - y.value + half
