"""Vector-Jacobian products of stacked layers, written out: what autograd would do, at half of what it costs.

Layers this small take less time to compute than autograd takes to keep account of them.
"""

from collections.abc import Callable
from functools import singledispatch

import torch
from torch import Tensor, nn

from ucl.learning.encoders import StackedBatchNorm, StackedLinear

__all__ = ["Pull", "Vjp", "vjp"]

Pulled = tuple[list[Tensor], Callable[[], Tensor]]  # gradients for the parameters, and, on demand, for the input
Pull = Callable[[Tensor], Pulled]  # from the gradient for the output
Vjp = Callable[[Tensor], tuple[Tensor, Pull]]  # from the input [S, n, d] to the output [S, n, d'], and the way back


@singledispatch
def vjp(module: nn.Module) -> Vjp:
    """The module as a function that also says how a gradient for its output is pulled back to `module.parameters()`
    and to its input.

    To be called under `torch.no_grad`. Parameters may change in place, but not be exchanged for others. Modules that
    are not known here are left to autograd.
    """

    def forward(x: Tensor) -> tuple[Tensor, Pull]:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            y: Tensor = module(leaf)

        def pull(gradient: Tensor) -> Pulled:
            for_input, *own = torch.autograd.grad(y, [leaf, *module.parameters()], gradient)
            return own, lambda: for_input

        return y.detach(), pull

    return forward


@vjp.register
def _(module: nn.Sequential) -> Vjp:
    layers = [vjp(layer) for layer in module]

    def forward(x: Tensor) -> tuple[Tensor, Pull]:
        pulls: list[Pull] = []
        for layer in layers:
            x, pull_layer = layer(x)
            pulls.append(pull_layer)

        def pull(gradient: Tensor) -> Pulled:
            found: list[list[Tensor]] = []
            onward = lambda: gradient  # noqa: E731
            for pull_layer in reversed(pulls):
                own, onward = pull_layer(onward())
                found.append(own)
            return [gradient for own in reversed(found) for gradient in own], onward

        return x, pull

    return forward


@vjp.register
def _(module: StackedLinear) -> Vjp:
    weight, bias = module.weight.detach(), module.bias.detach()
    transposed = weight.mT

    def forward(x: Tensor) -> tuple[Tensor, Pull]:
        def pull(gradient: Tensor) -> Pulled:
            own = [torch.bmm(x.mT, gradient), gradient.sum(1, keepdim=True)]
            return own, lambda: torch.bmm(gradient, transposed)

        return torch.baddbmm(bias, x, weight), pull

    return forward


@vjp.register
def _(module: nn.ReLU) -> Vjp:
    threshold = torch.ops.aten.threshold_backward.default

    def forward(x: Tensor) -> tuple[Tensor, Pull]:
        y = torch.relu(x)
        return y, lambda gradient: ([], lambda: threshold(gradient, y, 0))

    return forward


@vjp.register
def _(module: StackedBatchNorm) -> Vjp:
    weight, bias, mean, var = (t.detach().view(-1) for t in (module.weight, module.bias, module.mean, module.var))
    momentum, eps, backward = module.momentum, module.eps, torch.ops.aten.native_batch_norm_backward.default

    def forward(x: Tensor) -> tuple[Tensor, Pull]:
        models, n, width = x.shape
        train = module.training
        channels = x.transpose(0, 1).reshape(n, models * width)  # every model's features are channels of one layer
        y, *of_batch = torch.native_batch_norm(channels, weight, bias, mean, var, train, momentum, eps)

        def pull(gradient: Tensor) -> Pulled:
            arriving = gradient.transpose(0, 1).reshape(n, models * width)
            for_input, *own = backward(arriving, channels, weight, mean, var, *of_batch, train, eps, [True, True, True])
            return [g.view(models, 1, width) for g in own], lambda: for_input.view(n, models, width).transpose(0, 1)

        return y.view(n, models, width).transpose(0, 1), pull

    return forward
