"""Experiment `lemmas`: Lemmas 1 to 4 and the identities behind contrastive learning, checked by numbers.

Every check compares many estimates with their exact values, each deviation in units of its own standard error, and
reports the largest. What is tolerated is fixed beforehand. Lemma 4 is exact: its error is a rounding error.
"""

from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
import scipy.stats
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.closed_form import gaussian_log_ratio, uniform_log_ratio
from ucl.core.critics import Cosine, Dot, NegativeSquaredL2
from ucl.experiments.lemmas.config import Lemmas
from ucl.learning.losses import info_nce
from ucl.runtime import generator

__all__ = ["CHECKS", "check_all"]

CHECKS = ("lemma_1", "lemma_2", "lemma_3", "lemma_4", "nce", "infonce", "occupancy")
Z = 5.0  # tolerance in standard errors: a false alarm among the few hundred numbers compared is rarer than 1 in 5,000


@dataclass(frozen=True)
class Check:
    """The largest deviation of any number from its exact value."""

    error: float  # in standard errors
    tolerance: float
    deviation: float  # the same deviation in nats (occupancy: probability)
    note: str
    agrees: bool = True  # what the check demands beyond the deviation

    @property
    def holds(self) -> bool:
        """Whether sampling explains the deviation, and all else is as it must be."""
        return self.error <= self.tolerance and self.agrees


def compare(estimate: Tensor, exact: Tensor, standard_error: Tensor, note: str, tolerance: float = Z) -> Check:
    """The largest deviation in standard errors."""
    deviation = (estimate - exact).abs().flatten()
    errors = deviation / standard_error.flatten()
    worst = int(errors.argmax())
    return Check(float(errors[worst]), tolerance, float(deviation[worst]), note)


def check_all(params: Lemmas, progress: bool = True) -> pd.DataFrame:
    """All checks: a table check, error (standard errors), tolerance, holds, deviation (nats), note."""
    checks = (lemma_1, lemma_2, lemma_3, lemma_4, nce, infonce, occupancy)
    rows = []
    for check in tqdm(checks, "lemmas", disable=not progress):
        found = check(params)
        rows.append({"check": check.__name__, "holds": found.holds} | asdict(found))
    return pd.DataFrame(rows)[["check", "error", "tolerance", "holds", "deviation", "note"]]


def _stream(params: Lemmas, check: str) -> torch.Generator:
    return generator(params.seed, CHECKS.index(check))


def lemma_1(params: Lemmas) -> Check:
    """A -> B -> C over finite alphabets: the bridge over sampled B against the exact log p(a,c) / (p(a) p(c)).

    The critics are the exact log ratios. A Dot critic reads them: a's embedding is its row of the table, and B's is
    one-hot.
    """
    random, states = _stream(params, "lemma_1"), params.states
    p_b = _dirichlet(random, 1, states)[0]
    a_given_b, c_given_b = _dirichlet(random, states, states), _dirichlet(random, states, states)
    p_a, p_c = p_b @ a_given_b, p_b @ c_given_b
    f_ab, f_bc = (a_given_b / p_a).log().T, (c_given_b / p_c).log().T
    exact = (torch.einsum("b,ba,bc->ac", p_b, a_given_b, c_given_b) / (p_a[:, None] * p_c)).log()
    draws = p_b.multinomial(params.bank, True, generator=random)
    bank = Bank(torch.eye(states, dtype=torch.float64)[draws])
    result = Bridge(Dot(1.0), Dot(1.0), bank, normalize=False).score(f_ab, f_bc, progress=False)
    # The result's own error takes equal rows for repeats of one sample; here each is a draw of its own.
    shares = torch.bincount(draws, minlength=states).double() / params.bank
    ratio = (f_ab[:, None] + f_bc).exp()
    spread = ratio.square() @ shares / (ratio @ shares).square() - 1
    standard_error = (spread / (params.bank - 1)).sqrt()
    return compare(result.scores, exact, standard_error, f"{states} states each, bank of {params.bank}")


def lemma_2(params: Lemmas) -> Check:
    """B uniform on the sphere: the bridge against the closed form, two different temperatures."""
    random, d = _stream(params, "lemma_2"), params.dimension
    a, c = _normal(random, params.anchors, d), _normal(random, params.anchors, d)
    ab, bc = params.scales
    result = Bridge(Cosine(ab), Cosine(bc), Bank(_normal(random, params.bank, d)), normalize=False).score(
        a, c, progress=False
    )
    return compare(
        result.scores,
        uniform_log_ratio(a, c, ab, bc),
        result.standard_error,
        f"d = {d}, scales {ab:g} and {bc:g}, bank of {params.bank}",
    )


def lemma_3(params: Lemmas) -> Check:
    """B Gaussian: the bridge with the squared distance against the closed form."""
    random, d = _stream(params, "lemma_3"), params.dimension
    size = d**-0.5  # norms near one
    a, c = size * _normal(random, params.anchors, d), size * _normal(random, params.anchors, d)
    bank = Bank(params.sd * _normal(random, params.bank, d))
    critic = NegativeSquaredL2(1.0)
    result = Bridge(critic, critic, bank, normalize=False).score(a, c, progress=False)
    return compare(
        result.scores,
        gaussian_log_ratio(a, c, params.sd),
        result.standard_error,
        f"d = {d}, s = {params.sd:g}, bank of {params.bank}",
    )


def lemma_4(params: Lemmas) -> Check:
    """Two joints over three bits: equal (A,B) and (B,C) marginals, different ratios for (A,C).

    `error` is how far the marginals differ, which must be nothing; `agrees` says that the ratios do differ.
    """
    independent, equal = torch.full((2, 2, 2), 1 / 8, dtype=torch.float64), torch.zeros(2, 2, 2, dtype=torch.float64)
    for a, b in product(range(2), repeat=2):
        equal[a, b, a] = 1 / 4
    differ = max(float((independent.sum(axis) - equal.sum(axis)).abs().max()) for axis in (2, 0))
    ratios = [joint.sum(1) / (joint.sum((1, 2))[:, None] * joint.sum((0, 1))) for joint in (independent, equal)]
    gap = float((ratios[0] - ratios[1]).abs().max())
    at_equal = [f"{ratio[0, 0]:.0f}" for ratio in ratios]
    note = f"marginals equal; p(a,c) / p(a) p(c) at a = c is {at_equal[0]} in one joint, {at_equal[1]} in the other"
    return Check(differ, 1e-15, differ, note, agrees=gap > 0.5)


def nce(params: Lemmas) -> Check:
    """Logistic regression between draws of N(mu, I) and of N(0, I) recovers mu.x - |mu|^2 / 2.

    The error bar is the asymptotic one of maximum likelihood: the inverse Fisher information.
    """
    random, d = _stream(params, "nce"), params.dimension
    mu = _normal(random, 1, d)[0] * d**-0.5
    positive, negative = _normal(random, params.samples, d) + mu, _normal(random, params.samples, d)
    x = torch.cat([torch.cat([positive, negative]), torch.ones(2 * params.samples, 1, dtype=torch.float64)], 1)
    label = torch.cat([torch.ones(params.samples), torch.zeros(params.samples)]).double()
    weights = torch.zeros(d + 1, dtype=torch.float64)
    for _ in range(30):  # Newton's method; the loss is convex
        p = torch.sigmoid(x @ weights)
        fisher = (x * (p * (1 - p))[:, None]).T @ x
        step = torch.linalg.solve(fisher, x.T @ (label - p))
        weights += step
        if float(step.abs().max()) < 1e-12:
            break
    truth, covariance = torch.cat([mu, -mu.square().sum()[None] / 2]), torch.linalg.inv(fisher)
    test = torch.cat([_normal(random, 200, d) + mu / 2, torch.ones(200, 1, dtype=torch.float64)], 1)
    standard_error = torch.einsum("ni,ij,nj->n", test, covariance, test).sqrt()
    note = f"{params.samples} draws of each, log ratio at 200 points, d = {d}"
    return compare(test @ weights, test @ truth, standard_error, note)


def infonce(params: Lemmas) -> Check:
    """A table of critic values trained by symmetrised InfoNCE on a finite joint recovers log p(x,y) / (p(x) p(y)).

    Several tables learn from their own draws; their scatter is the error bar. Each is the average over the second half
    of training, after removing its free constant. The optimum is the same at any batch size.
    """
    random, states, models = _stream(params, "infonce"), params.infonce_states, params.infonce_models
    joint = _dirichlet(random, 1, states * states, 2.0)[0]
    table = joint.view(states, states)
    exact = (table / (table.sum(1, keepdim=True) * table.sum(0))).log()
    critic = torch.zeros(models, states, states, requires_grad=True)
    optimiser = torch.optim.Adam([critic], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, params.infonce_steps)
    average, kept = torch.zeros_like(critic), 0
    row = torch.arange(models)[:, None, None]
    for step in range(params.infonce_steps):
        draws = joint.multinomial(models * params.infonce_batch, True, generator=random).view(models, -1)
        x, y = draws // states, draws % states
        loss = info_nce(critic[row, x[:, :, None], y[:, None, :]]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step >= params.infonce_steps // 2:
            average, kept = average + critic.detach(), kept + 1
    learned = (average / kept).double()
    learned = learned - (learned * table).sum((1, 2), keepdim=True)
    exact = exact - (exact * table).sum()
    standard_error = learned.std(0) / models**0.5
    # With few tables the scatter itself is uncertain: Student's t takes the place of the normal distribution.
    tolerance = float(scipy.stats.t.isf(scipy.stats.norm.sf(Z), models - 1))
    note = f"{states} x {states} table, {models} models, batches of {params.infonce_batch}"
    return compare(learned.mean(0), exact, standard_error, note, tolerance)


def occupancy(params: Lemmas) -> Check:
    """In a tabular MDP, Q(s,a,g) = exp(f(s,a,g)) rho(g) for the critic f that minimises the binary NCE loss.

    Positives (s, a, g+): g+ is the state a geometric number of steps ahead under the random-goal policy; negatives
    (s, a, g-) have g- from rho (slides). The loss separates over cells of the table, where its minimum is the log ratio
    of the counts. Exact: (1 - gamma) P(.|s,a) (I - gamma P_pi)^-1. The best action must agree wherever the two best
    differ by more than their error bars.
    """
    random, world = _stream(params, "occupancy"), _World.at_random(_stream(params, "occupancy"), params)
    states, actions, count = params.states, params.actions, params.trajectories
    exact = world.exact_q()
    start = torch.arange(count) % (states * actions)  # d_0 uniform over (s, a)
    reached = world.futures(random, start // actions, start % actions)
    goals = world.rho.multinomial(count, True, generator=random)
    positive = torch.bincount(start * states + reached, minlength=states**2 * actions).double()
    negative = torch.bincount(start * states + goals, minlength=states**2 * actions).double()
    shape = (states, actions, states)
    f = (positive / negative).log().view(shape)
    q = f.exp() * world.rho
    visits = count / (states * actions)
    # Delta method for the ratio of two binomial counts.
    relative = (1 / (visits * exact) - 1 / visits) + (1 / (visits * world.rho) - 1 / visits)
    standard_error = exact * relative.sqrt()
    agreement, decided = _best_actions(f, exact, standard_error)
    note = f"{count} futures; the best action agrees in {agreement} of {decided} decided cases of {states**2}"
    return replace(compare(q, exact, standard_error, note), agrees=agreement == decided)


def _best_actions(f: Tensor, exact: Tensor, standard_error: Tensor) -> tuple[int, int]:
    """How often arg max_a f equals arg max_a Q, among the (s, g) whose two best actions sampling can tell apart."""
    best, action = exact.topk(2, dim=1)
    gap = best[:, 0] - best[:, 1]
    decided = gap > Z * (2**0.5) * standard_error.amax(1)
    agree = (f.argmax(1) == action[:, 0]) & decided
    return int(agree.sum()), int(decided.sum())


@dataclass(frozen=True)
class _World:
    """A tabular MDP under a random-goal policy: a goal from rho at every step, then an action from pi(a | s, g)."""

    rho: Float[Tensor, " g"]
    transition: Float[Tensor, "s a s"]
    policy: Float[Tensor, "s a"]  # pi(a | s) = sum_g pi(a | s, g) rho(g)
    gamma: float

    @classmethod
    def at_random(cls, random: torch.Generator, params: Lemmas) -> "_World":
        states, actions = params.states, params.actions
        rho = _dirichlet(random, 1, states, 5.0)[0]
        transition = _dirichlet(random, states * actions, states, 0.5).view(states, actions, states)
        of_goal = _dirichlet(random, states * states, actions).view(states, states, actions)
        return cls(rho, transition, torch.einsum("sga,g->sa", of_goal, rho), params.gamma)

    def exact_q(self) -> Float[Tensor, "s a s"]:
        p_pi = torch.einsum("sat,sa->st", self.transition, self.policy)
        identity = torch.eye(len(p_pi), dtype=torch.float64)
        return (1 - self.gamma) * self.transition @ torch.linalg.inv(identity - self.gamma * p_pi)

    def futures(self, random: torch.Generator, state: Tensor, action: Tensor) -> Tensor:
        """The state t steps ahead of each (state, action), t geometric on 1, 2, ... with parameter 1 - gamma."""
        next_state, next_action = self.transition.cumsum(-1), self.policy.cumsum(-1)
        reached, alive = torch.empty_like(state), torch.arange(len(state))
        while len(alive):
            state = _pick(next_state[state, action], random)
            stop = torch.rand(len(state), generator=random, dtype=torch.float64) >= self.gamma
            reached[alive[stop]] = state[stop]
            alive, state = alive[~stop], state[~stop]
            action = _pick(next_action[state], random)
        return reached


def _pick(cumulative: Float[Tensor, "n m"], random: torch.Generator) -> Tensor:
    """One index per row of cumulative probabilities."""
    u = torch.rand(len(cumulative), 1, generator=random, dtype=torch.float64)
    return (cumulative < u).sum(1).clamp_max(cumulative.shape[1] - 1)


def _normal(random: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def _dirichlet(random: torch.Generator, rows: int, columns: int, concentration: float = 1.0) -> Tensor:
    """Rows of probabilities, through NumPy's gamma draws (torch's take no generator)."""
    seed = int(torch.randint(2**62, (1,), generator=random))
    draws = np.random.default_rng(seed).gamma(concentration, size=(rows, columns)) + 1e-3
    return torch.from_numpy(draws / draws.sum(1, keepdims=True))
