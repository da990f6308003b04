"""The synthetic world: (A, B, C) jointly Gaussian, so that every log density ratio is known exactly (section 6.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["GaussianWorld", "Triples", "gaussian_log_ratio_given_b", "joint_gaussian_log_ratio"]


@dataclass(frozen=True)
class Triples:
    """n draws of (A, B, C) in each of S worlds."""

    a: Float[Tensor, "s n da"]
    b: Float[Tensor, "s n db"]
    c: Float[Tensor, "s n dc"]


@dataclass(frozen=True)
class GaussianWorld:
    """S worlds: `B ~ N(mean, G'G)`, `A = T1 B + noise`, `C = T2 B + noise` (design: section 4).

    `shared_noise` is the standard deviation of one number added to all coordinates of A and C alike: it breaks
    Assumption 1 (appendix C.4). `noise` is the standard deviation of each coordinate's own noise.
    """

    mean: Float[Tensor, "s 1 db"]
    factor: Float[Tensor, "s db db"]  # G
    to_a: Float[Tensor, "s db da"]  # T1 transposed
    to_c: Float[Tensor, "s db dc"]  # T2 transposed
    noise: float
    shared_noise: float = 0.0

    @classmethod
    def at_random(
        cls,
        generators: Sequence[torch.Generator],
        dims: tuple[int, int, int],
        noise: float,
        shared_noise: float = 0.0,
    ) -> "GaussianWorld":
        """One world per generator, all parameters uniform on (-1, 1); `dims` are those of A, B and C."""
        da, db, dc = dims
        shapes = ((1, db), (db, db), (db, da), (db, dc))
        mean, factor, to_a, to_c = (
            torch.stack([torch.rand(shape, generator=g) * 2 - 1 for g in generators]) for shape in shapes
        )
        return cls(mean, factor, to_a, to_c, noise, shared_noise)

    def sample(self, n: int, generators: Sequence[torch.Generator]) -> Triples:
        """Draw n triples in each world, each world from its own generator."""
        db, da, dc = self.factor.shape[-1], self.to_a.shape[-1], self.to_c.shape[-1]
        draws = [torch.stack([torch.randn(n, width, generator=g) for g in generators]) for width in (db, da, dc, 1)]
        b = self.mean + draws[0] @ self.factor
        shared = self.shared_noise * draws[3]
        a = b @ self.to_a + self.noise * draws[1] + shared
        c = b @ self.to_c + self.noise * draws[2] + shared
        return Triples(a, b, c)

    def log_ratio(
        self, a: Float[Tensor, "s n da"], c: Float[Tensor, "s k dc"], assume_independent: bool = False
    ) -> Float[Tensor, "s n k"]:
        """Exact `log p(a, c) / (p(a) p(c))`, in float64: the Bayes-optimal scorer.

        With `assume_independent`, the ratio that the exact (A, B) and (B, C) marginals imply under Assumption 1, right
        or not: the best any bridge can do.
        """
        to_a, to_c, mean = self.to_a.double(), self.to_c.double(), self.mean.double()
        sigma = self.factor.double().mT @ self.factor.double()
        eye_a, eye_c = torch.eye(to_a.shape[-1]).double(), torch.eye(to_c.shape[-1]).double()
        shared = self.shared_noise**2
        cov_a = to_a.mT @ sigma @ to_a + self.noise**2 * eye_a + shared
        cov_c = to_c.mT @ sigma @ to_c + self.noise**2 * eye_c + shared
        cov_ac = to_a.mT @ sigma @ to_c + (0.0 if assume_independent else shared)
        return joint_gaussian_log_ratio(a.double() - mean @ to_a, c.double() - mean @ to_c, cov_a, cov_ac, cov_c)


def joint_gaussian_log_ratio(
    a: Float[Tensor, "s n da"],
    c: Float[Tensor, "s k dc"],
    cov_a: Float[Tensor, "s da da"],
    cov_ac: Float[Tensor, "s da dc"],
    cov_c: Float[Tensor, "s dc dc"],
) -> Float[Tensor, "s n k"]:
    """`log N([a, c]) - log N(a) - log N(c)` for centred, jointly Gaussian a and c, every a against every c.

    With K = Saa^-1 Sac and the Schur complement D = Scc - Sca K: log p(c | a) - log p(c), a Gaussian regression.
    """
    gain = torch.linalg.solve(cov_a, cov_ac)
    conditional = cov_c - cov_ac.mT @ gain
    factor_c, factor_d = torch.linalg.cholesky(cov_c), torch.linalg.cholesky(conditional)
    whiten = lambda x, factor: torch.linalg.solve_triangular(factor, x.mT, upper=False).mT  # noqa: E731
    predicted, seen = whiten(a @ gain, factor_d), whiten(c, factor_d)
    residual = predicted.square().sum(-1)[..., None] + seen.square().sum(-1)[..., None, :] - 2 * predicted @ seen.mT
    prior = whiten(c, factor_c).square().sum(-1)[..., None, :]
    log_determinants = 2 * (
        factor_c.diagonal(dim1=-2, dim2=-1).log().sum(-1) - factor_d.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    )
    return (log_determinants[..., None, None] + prior - residual) / 2


def gaussian_log_ratio_given_b(
    world: GaussianWorld, a: Float[Tensor, "s n da"], b: Float[Tensor, "s n db"], c: Float[Tensor, "s k dc"]
) -> Float[Tensor, "s n k"]:
    """Exact `log p(c | a, b) / p(c)` in the Gaussian world: its ratio for the pair ((a, b), c)."""
    to_a, to_c, mean = world.to_a.double(), world.to_c.double(), world.mean.double()
    sigma = world.factor.double().mT @ world.factor.double()
    eye_a, eye_c = (world.noise**2 * torch.eye(t.shape[-1]).double() for t in (to_a, to_c))
    shared = world.shared_noise**2
    cov_a, cov_c = (to.mT @ sigma @ to + eye + shared for to, eye in ((to_a, eye_a), (to_c, eye_c)))
    cov_x = torch.cat([torch.cat([cov_a, to_a.mT @ sigma], -1), torch.cat([sigma @ to_a, sigma], -1)], -2)
    cov_xc = torch.cat([to_a.mT @ sigma @ to_c + shared, sigma @ to_c], -2)
    x = torch.cat([a.double() - mean @ to_a, b.double() - mean], -1)
    return joint_gaussian_log_ratio(x, c.double() - mean @ to_c, cov_x, cov_xc, cov_c)
