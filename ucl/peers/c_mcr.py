"""C-MCR: two small projectors into a new space in which the two views of the bank meet (Wang and others, 2023)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, normalize

from ucl.errors import InputError
from ucl.learning.losses import info_nce
from ucl.peers.base import Peer, SharedBank
from ucl.runtime import generator

__all__ = ["CMCR"]


class CMCR(Peer):
    """Projectors `g_1` of the A-B space and `g_2` of the B-C space, fitted on the bank and on unpaired memories.

    Loss: InfoNCE between g_1(b) and g_2(b) with noise on b; InfoNCE between the memories' averages around b, g_1(a_b)
    and g_2(c_b), where a_b = sum_i softmax_i(f_AB(a_i, b)) a_i; and the squared distance within a space that closes the
    gap between modalities, |g_1(a_b) - g_1(b)|^2 + |g_2(c_b) - g_2(b)|^2.
    """

    name = "c_mcr"

    def __init__(self, steps: int = 200, batch: int = 128, width: int = 32, noise: float = 0.06, seed: int = 0) -> None:
        self.steps, self.batch, self.width, self.noise, self.seed = steps, batch, width, noise, seed

    def applies(self, bank: SharedBank) -> bool:
        return bank.memory_a is not None and bank.memory_c is not None

    def fit(self, bank: SharedBank) -> "CMCR":
        if bank.memory_a is None or bank.memory_c is None:
            raise InputError("C-MCR needs samples of A and of C: give memory_a and memory_c")
        self.bank, random = bank, generator(self.seed, len(bank.for_a))
        self.standard = [(v.mean(0), v.std() + 1e-6) for v in (bank.for_a, bank.for_c)]
        self.projectors = [_projector(v.shape[1], self.width, random) for v in (bank.for_a, bank.for_c)]
        temperature = nn.Parameter(torch.tensor(2.3))
        parameters = [*self.projectors[0].parameters(), *self.projectors[1].parameters(), temperature]
        adam = torch.optim.Adam(parameters, lr=3e-3)
        around_a = torch.softmax(bank.ab(bank.for_a, bank.memory_a), 1) @ bank.memory_a
        around_c = torch.softmax(bank.bc(bank.for_c, bank.memory_c), 1) @ bank.memory_c
        for _ in range(self.steps):
            rows = torch.randint(len(bank.for_a), (self.batch,), generator=random)
            b_1, a_1 = (self._project(0, v[rows], random) for v in (bank.for_a, around_a))
            b_2, c_2 = (self._project(1, v[rows], random) for v in (bank.for_c, around_c))
            scale = temperature.exp()
            gap = mse_loss(a_1, b_1) + mse_loss(c_2, b_2)
            loss = info_nce(scale * b_1 @ b_2.T) + info_nce(scale * a_1 @ c_2.T) + self.width * gap
            adam.zero_grad()
            loss.backward()
            adam.step()
        return self

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        with torch.no_grad():
            return self._project(0, a) @ self._project(1, c).T

    def _project(self, side: int, x: Tensor, random: torch.Generator | None = None) -> Tensor:
        mean, deviation = self.standard[side]
        x = (x - mean) / deviation
        if random is not None:
            x = x + self.noise * torch.randn(x.shape, generator=random)
        return normalize(self.projectors[side](x), dim=1)


def _projector(inputs: int, width: int, random: torch.Generator) -> nn.Sequential:
    layers = nn.Sequential(nn.Linear(inputs, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
    with torch.no_grad():
        for parameter in layers.parameters():
            bound = parameter.shape[-1] ** -0.5
            parameter.uniform_(-bound, bound, generator=random)
    return layers
