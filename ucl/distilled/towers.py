"""The two small networks of a student, for S seeds at once: from frozen embeddings to unit vectors of one width."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucl.learning.encoders import StackedLinear

__all__ = ["SIDES", "Towers"]

SIDES = ("a", "c")
FIRST_SCALE = 10.0


class Towers(nn.Module):
    """S pairs of networks, of A's and of C's embeddings, and a learned scale each.

    Inputs are brought to mean zero and to a mean square of one (`standardise`). With `hidden` 0 each network is one
    linear map, else it has two hidden layers of that width. Whatever has the same shape on both sides is one stack of
    2S models: where operations are small, what costs is their number.
    """

    def __init__(self, generators: Sequence[torch.Generator], inputs: tuple[int, int], hidden: int, width: int) -> None:
        super().__init__()
        self.models, self.inputs, self.hidden, self.width = len(generators), inputs, hidden, width
        first = hidden or width
        self.first = nn.ModuleDict(
            {side: StackedLinear(generators, n, first) for side, n in zip(SIDES, inputs, strict=True)}
        )
        both = [*generators, *generators]
        layers = [(hidden, hidden), (hidden, width)] if hidden else []
        self.rest = nn.ModuleList([StackedLinear(both, *shape) for shape in layers])
        self.log_scale = nn.Parameter(torch.full((self.models,), FIRST_SCALE).log())
        for side, n in zip(SIDES, inputs, strict=True):
            self.register_buffer(f"mean_{side}", torch.zeros(self.models, 1, n))
            self.register_buffer(f"size_{side}", torch.ones(self.models, 1, 1))

    @torch.no_grad()
    def standardise(self, a: Float[Tensor, "s n d1"], c: Float[Tensor, "s k d2"]) -> None:
        """Take the inputs' means, and the root of their mean square about them, from samples."""
        for side, x in zip(SIDES, (a, c), strict=True):
            mean = x.mean(1, keepdim=True)
            size = (x - mean).square().mean((1, 2), keepdim=True).sqrt()
            getattr(self, f"mean_{side}").copy_(mean)
            getattr(self, f"size_{side}").copy_(size.clamp_min(torch.finfo(size.dtype).tiny))

    def standard(self, side: str, x: Float[Tensor, "s n d"]) -> Float[Tensor, "s n d"]:
        """What the networks see of one side's embeddings."""
        standard: Tensor = (x - getattr(self, f"mean_{side}")) / getattr(self, f"size_{side}")
        return standard

    def forward(self, a: Float[Tensor, "s n d1"], c: Float[Tensor, "s n d2"]) -> Float[Tensor, "_ n w"]:
        """Unit vectors of standardised rows, those of A's networks first."""
        x = torch.cat([self.first["a"](a), self.first["c"](c)])
        for layer in self.rest:
            x = layer(torch.relu(x))
        return torch.nn.functional.normalize(x, dim=-1)

    def encode(self, side: str, x: Float[Tensor, "s n d"]) -> Float[Tensor, "s n w"]:
        """Unit vectors of one side's embeddings as they are."""
        x = self.first[side](self.standard(side, x))
        half = slice(0, self.models) if side == "a" else slice(self.models, None)
        for layer in self.rest:
            assert isinstance(layer, StackedLinear)
            x = torch.baddbmm(layer.bias[half], torch.relu(x), layer.weight[half])
        return torch.nn.functional.normalize(x, dim=-1)

    def one(self, model: int) -> "Towers":
        """The networks of one seed, as towers of their own."""
        own = Towers([torch.Generator()], self.inputs, self.hidden, self.width)
        own.to(self.log_scale)
        for name, tensor in own.state_dict().items():
            whole = self.state_dict()[name]
            rows = [model, model + self.models] if name.startswith("rest.") else [model]
            tensor.copy_(whole[rows])
        return own
