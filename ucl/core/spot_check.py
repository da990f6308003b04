"""Products of float32 rows of norm one, with the largest of them looked at again in float64.

A float32 sum of d products is off by about the root of the number of additions as long as they round independently:
within 5 times 2^-24, up to d = 4,096, in runs of 128 (`ucl.core.critics.dot_products`). Terms that are alike (constant
or binary rows) round alike, and the error grows with the number itself. What holds for every input is 164 times 2^-24:
each of at most 128 + 32 additions, of two conversions and of a product is off by 2^-24 of at most the sum of all
absolute terms, which is at most |x| |y| (Higham 2002, section 3.1); a product with a single anchor is summed by the
lanes of the machine's vectors, up to d / 8 + 8 additions. Such an error grows with the sum, so that it is
largest where the score is: the largest and the smallest score of every anchor in the first block, and of some anchors,
in turn, in later ones, are computed in float64 too. An anchor with one that is off by more than `OFF` gets its
scores from float64 from then on, and all anchors are looked at in every block.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.core.critics import dot_products

__all__ = ["WIDEST", "SpotCheck"]

WIDEST = 4096  # dimensions up to which float32 is enough; beyond, chance alone takes more
OFF = 5 * 2.0**-24  # relative to the scale: of the tolerance of 5e-7, what a product may take
EVERY, SHARE = 2048, 16384  # samples between two looks, and after which every anchor has had its turn again
GROUP = 64  # numbers whose maximum is taken at once


class SpotCheck:
    """The products of anchors [n, d] (float64, times their scale) with blocks of rows of norm one, in float32."""

    def __init__(self, anchors: Float[Tensor, "n d"], scale: float) -> None:
        self.exact, self.anchors, self.limit = anchors, anchors.float(), OFF * scale
        self.doubtful = torch.zeros(len(anchors), dtype=torch.bool, device=anchors.device)
        self.alike = False  # whether any anchor is doubtful
        self.next = 0  # anchor to be looked at next
        self.waiting: int | None = None  # samples since one was; none before the first block
        self._all = torch.arange(len(anchors), device=anchors.device)

    def __call__(self, block: Float[Tensor, "m d"], out: Tensor | None) -> Float[Tensor, "n m"]:
        """The products, float32; may use `out`."""
        scores = dot_products(self.anchors, block, out)
        turn = self._turn(len(block))
        if len(turn) < len(scores) and len(turn) and self._off(scores[turn], block, turn):
            turn = self._all
        if len(turn) == len(scores):
            self._off(scores, block, turn)
        if self.alike:
            again = self.doubtful.nonzero()[:, 0]
            scores[again] = (self.exact[again] @ block.double().T).float()
        return scores

    def _off(self, scores: Float[Tensor, "p m"], block: Float[Tensor, "m d"], anchors: Int[Tensor, " p"]) -> bool:
        """Look at the largest and smallest score of some anchors; remember those that are off, and say if any is."""
        exact, off = self.exact[anchors], torch.zeros(len(anchors), dtype=torch.bool, device=anchors.device)
        for index in (_largest(scores), _largest(scores, -1)):
            found = scores.gather(1, index[:, None])[:, 0].double()
            off |= ~((found - (exact * block[index]).sum(1)).abs() <= self.limit)
        self.doubtful[anchors[off]] = True
        self.alike = self.alike or bool(off.any())
        return bool(off.any())

    def _turn(self, samples: int) -> Int[Tensor, " p"]:
        """Which anchors to look at in a block of so many samples: at first all, then each in its turn."""
        first, self.waiting = self.waiting is None, (self.waiting or 0) + samples
        if first or self.alike:
            self.waiting = 0
            return self._all
        if self.waiting < EVERY:
            return self._all[:0]
        anchors = len(self._all)
        count = min(anchors, -(-anchors * self.waiting // SHARE))
        turn = self._all if count == anchors else self._all.roll(-self.next)[:count]
        self.next, self.waiting = (self.next + count) % anchors, 0
        return turn


def _largest(scores: Float[Tensor, "n m"], sign: int = 1) -> Int[Tensor, " n"]:
    """Index of the largest (`sign` -1: smallest) entry of each row: by groups, many times faster than argmax."""
    best = torch.amax if sign > 0 else torch.amin
    groups, rest = divmod(scores.shape[1], GROUP)
    if groups < 2:
        return (sign * scores).argmax(1)
    whole = scores[:, : groups * GROUP].unflatten(1, (groups, GROUP))
    leader = (sign * best(whole, 2)).argmax(1)
    rows = torch.arange(len(scores), device=scores.device)
    index = leader * GROUP + (sign * whole[rows, leader]).argmax(1)
    if rest:
        last = groups * GROUP + (sign * scores[:, groups * GROUP :]).argmax(1)
        better = sign * scores[rows, last] > sign * scores[rows, index]
        index = torch.where(better, last, index)
    return index
