"""What the diagnosis of one seed is given, and the truth that it is judged by."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.critics import CRITICS, Critic
from ucl.experiments.scenes import SCENES
from ucl.peers import SharedBank
from ucl.trust.predict import Pairs

__all__ = ["Embeddings"]


@dataclass(frozen=True)
class Embeddings:
    """One seed of `training.learn`. Row i of `a` belongs to row i of `c`: the truth, which the diagnosis never sees."""

    ab: Critic
    bc: Critic
    a: Float[Tensor, "n d1"]
    c: Float[Tensor, "n d2"]
    samples_a: Float[Tensor, "k d1"]
    samples_c: Float[Tensor, "k d2"]
    for_a: Float[Tensor, "m d1"]
    for_c: Float[Tensor, "m d2"]
    far_for_a: Float[Tensor, "f d1"]
    far_for_c: Float[Tensor, "f d2"]
    pairs_ab: Pairs
    pairs_bc: Pairs
    shared: bool  # one encoder of B serves both models

    @classmethod
    def of(cls, scene: str, tensors: Mapping[str, Tensor], seed: int) -> "Embeddings":
        """Those of a seed."""
        kind, own = CRITICS[SCENES[scene].critic], {key: tensor[seed] for key, tensor in tensors.items()}
        names = ("a", "c", "samples_a", "samples_c", "for_a", "for_c", "far_for_a", "far_for_c")
        half = len(own["pairs_a"])
        ab, bc = kind(float(own["scale_ab"])), kind(float(own["scale_bc"]))
        pairs_ab = Pairs(own["pairs_a"], own["pairs_for_a"][:half], own["pairs_for_c"][:half])
        pairs_bc = Pairs(own["pairs_c"], own["pairs_for_a"][half:], own["pairs_for_c"][half:])
        rows = {name: own[name] for name in names}
        return cls(ab=ab, bc=bc, **rows, pairs_ab=pairs_ab, pairs_bc=pairs_bc, shared=SCENES[scene].shared)

    @property
    def bank(self) -> Bank:
        """As a person would build it: one embedding where there is one."""
        return Bank(self.for_a) if self.shared else Bank(self.for_a, self.for_c)

    @property
    def for_peers(self) -> SharedBank:
        """The same for the methods, with the unpaired samples."""
        return SharedBank(self.for_a, self.for_c, self.ab, self.bc, self.samples_a, self.samples_c)
