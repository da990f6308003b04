"""Carry a into the space of c, then let the B-C critic compare: maps fitted on the bank, seen from both sides."""

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.peers.base import Peer, SharedBank

__all__ = ["CCA", "Barycentre", "Procrustes", "Ridge"]


VARIES = 0.05  # of the largest singular value; whitening would blow up directions that the bank hardly uses


class Barycentre(Peer):
    """The bank seen from c, averaged with the weights `softmax_i f_AB(a, b_i)`: the posterior mean of B given a."""

    name = "barycentre"

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        weights = torch.softmax(self.bank.ab(a, self.bank.for_a), dim=1)
        return self.bank.bc(weights @ self.bank.for_c, c)


class Procrustes(Peer):
    """The rotation, scaling and shift that bring the two views of the bank closest (Schonemann, 1966)."""

    name = "procrustes"

    def fit(self, bank: SharedBank) -> "Procrustes":
        self.bank = bank
        self.from_mean, self.to_mean = bank.for_a.mean(0), bank.for_c.mean(0)
        x, y = bank.for_a - self.from_mean, bank.for_c - self.to_mean
        u, singular, vh = torch.linalg.svd(x.T @ y, full_matrices=False)
        self.map = singular.sum() / x.square().sum() * (u @ vh)
        return self

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        return self.bank.bc((a - self.from_mean) @ self.map + self.to_mean, c)


class Ridge(Peer):
    """Linear regression of `for_c` on `for_a`; the penalty that generalised cross-validation picks on the bank."""

    name = "ridge"

    def fit(self, bank: SharedBank) -> "Ridge":
        self.bank = bank
        self.from_mean, self.to_mean = bank.for_a.mean(0), bank.for_c.mean(0)
        x, y = (bank.for_a - self.from_mean).double(), (bank.for_c - self.to_mean).double()
        u, singular, vh = torch.linalg.svd(x, full_matrices=False)
        best = float("inf")
        for penalty in float(singular[0]) ** 2 * torch.logspace(-10, 2, 25, dtype=torch.float64):
            shrink = singular**2 / (singular**2 + penalty)
            residual = (y - u @ (shrink[:, None] * (u.T @ y))).square().sum()
            criterion = float(residual / (len(x) - shrink.sum()) ** 2)
            if criterion < best:
                best = criterion
                self.map = (vh.T @ ((shrink / singular)[:, None] * (u.T @ y))).to(bank.for_a)
        return self

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        return self.bank.bc((a - self.from_mean) @ self.map + self.to_mean, c)


class CCA(Peer):
    """Canonical coordinates of the two views of the bank, weighted by their correlations, compared by cosine."""

    name = "cca"

    def fit(self, bank: SharedBank) -> "CCA":
        self.bank = bank
        x, y = (v.double() - v.double().mean(0) for v in (bank.for_a, bank.for_c))
        (ux, sx, vx), (uy, sy, vy) = (_compact_svd(v) for v in (x, y))
        left, correlations, right = torch.linalg.svd(ux.T @ uy, full_matrices=False)
        self.to_a, self.to_c = vx.T / sx @ left * correlations, vy.T / sy @ right.T * correlations
        return self

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        x = (a.double() - self.bank.for_a.double().mean(0)) @ self.to_a
        y = (c.double() - self.bank.for_c.double().mean(0)) @ self.to_c
        return (torch.nn.functional.normalize(x, dim=1) @ torch.nn.functional.normalize(y, dim=1).T).to(a)


def _compact_svd(x: Float[Tensor, "m d"]) -> tuple[Tensor, Tensor, Tensor]:
    """The singular triplets of the directions in which the bank varies."""
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    kept = s > VARIES * s[0]
    return u[:, kept], s[kept], vh[kept]
