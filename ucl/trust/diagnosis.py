"""What a diagnosis says: a verdict with its reasons, and the numbers behind both."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from ucl.trust.findings import Findings, plain
from ucl.trust.predict import Prediction
from ucl.trust.ways import WAYS, way

__all__ = ["Diagnosis", "Known", "Verdict", "decide"]

Verdict = Literal["direct", "bridge", "none", "cannot tell"]
TIE = 0.01  # of recall: a method this close to the best is as good
NARROW = 0.25  # of recall: a wider interval of the best method tells too little
CHANCE = 2.0  # times chance: what the best method must reach to count as an answer


@dataclass(frozen=True)
class Known:
    """Known pairs of A and C beside what was predicted for them: a test of Assumption 1, as far as pairs can tell."""

    pairs: int
    recall: float
    predicted: float
    p_value: float
    needed: int  # pairs that would show a difference of .1 in recall in four of five cases


@dataclass(frozen=True)
class Diagnosis:
    """Direct comparison, which bridge, or neither? Prints as one screen.

    `verdict`: `direct`, `bridge`, `none` (nothing here joins these two models) or `cannot tell`. `method` is the one to
    use, `use` how, both None for the last two. `reasons` are plain sentences, `needs` what would make the answer surer.
    `predictions` are in order of predicted recall among `among` candidates, the best first. `numbers` holds, by part,
    what was measured of Assumptions 2 and 3 and of the bank.
    """

    verdict: Verdict
    method: str | None
    among: int
    reasons: tuple[str, ...]
    needs: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    numbers: Mapping[str, Mapping[str, float]]
    checked: Findings
    known: Known | None

    @property
    def headline(self) -> str:
        """The verdict as a sentence."""
        if self.verdict == "direct":
            return "Compare A with C directly: no bridge is better."
        if self.verdict == "bridge":
            return f"Use the bridge {self.method}."
        if self.verdict == "none":
            return "Nothing here joins these two models."
        return "Cannot tell."

    @property
    def use(self) -> str | None:
        """The command or the call that answers by `method`; None where there is none to use."""
        return None if self.method is None else way(self.method)

    @property
    def steps(self) -> tuple[str, ...]:
        """How to answer by the method of the verdict, and by the best one that a command has, where it has not."""
        if self.method is None:
            return ()
        steps = [f"Use it: {self.use}."]
        if self.method not in WAYS:
            best = next((p for p in self.predictions if p.method in WAYS and p.method != "direct"), None)
            steps += (
                [f"The best that a command has: {best.method}, {best.recall:.2f}: {way(best.method)}."] if best else []
            )
        return tuple(steps)

    def to_json(self) -> str:
        """Everything as one line of JSON; numbers that are not finite are null."""
        own = {name: getattr(self, name) for name in ("verdict", "method", "use", "among", "reasons", "needs")}
        own |= {"predictions": [asdict(p) for p in self.predictions], "checked": json.loads(self.checked.to_json())}
        own["numbers"] = {part: {k: plain(v) for k, v in held.items()} for part, held in self.numbers.items()}
        own["known_pairs"] = asdict(self.known) if self.known else None
        return json.dumps(own, allow_nan=False)

    def __str__(self) -> str:
        lines = [self.headline, *(f"  - {reason}" for reason in self.reasons)]
        lines += [f"  ? {need}" for need in self.needs]
        lines += [f"  > {line}" for line in self.steps]
        lines += ["", f"Predicted Recall@1 among {self.among}:"]
        width = max((len(p.method) for p in self.predictions), default=0)
        for p in self.predictions:
            sign = ">=" if p.bound else "  "
            lines.append(f"  {p.method:<{width}} {sign} {p.recall:.3f}  [{p.low:.3f}, {p.high:.3f}]")
        worse = [f for f in self.checked if f.level != "ok"]
        return "\n".join([*lines, *([""] if worse else []), *(f"{f.level}: {f.sentence} -> {f.remedy}" for f in worse)])


def decide(
    predictions: tuple[Prediction, ...], among: int, checked: Findings
) -> tuple[Verdict, str | None, tuple[str, ...], tuple[str, ...]]:
    """Verdict, method, reasons and needs from predictions in order, the best first."""
    broken = [f for f in checked if f.level == "error"]
    needs = _needs(predictions[0])
    if broken:
        return "cannot tell", None, tuple(f"{f.sentence} -> {f.remedy}" for f in broken), needs
    best, chance = predictions[0], 1 / among
    if best.recall < CHANCE * chance or best.low <= chance:
        if best.high > max(NARROW, 4 * chance):
            return "cannot tell", None, (f"The best method may reach {best.high:.2f}, or be at chance.",), needs
        return "none", None, (f"The best of {len(predictions)} methods is predicted at chance ({chance:.3f}).",), needs
    direct = next((p for p in predictions if p.method == "direct"), None)
    if direct is not None and direct.recall >= best.recall - TIE:
        return "direct", "direct", (f"Direct comparison is predicted at {direct.recall:.2f}, as good as any.",), needs
    return "bridge", best.method, _why(best, predictions, direct), needs


def _why(best: Prediction, predictions: tuple[Prediction, ...], direct: Prediction | None) -> tuple[str, ...]:
    against = f"; direct comparison {direct.recall:.2f}" if direct else "; direct comparison is not defined"
    reasons = [f"{best.method} is predicted at {best.recall:.2f} [{best.low:.2f}, {best.high:.2f}]{against}."]
    ties = [p.method for p in predictions[1:] if p.recall >= best.recall - TIE]
    if ties:
        reasons.append(f"Within {TIE:.2f} of it: {', '.join(ties)}.")
    return tuple(reasons)


def _needs(best: Prediction) -> tuple[str, ...]:
    pairs = "That A and C are independent given B cannot be told from pairs of (A, B) and (B, C) (Lemma 4)"
    needs = [f"{pairs}: give known pairs of (A, C)."]
    if len(best.parts) < 3:
        needs.append("Levels are lower bounds: give held-out pairs of both models.")
    elif best.bound:
        needs.append("Levels are lower bounds: give at least 1,000 samples of A and of C.")
    return tuple(needs)
