"""Embeddings and pairs whose truth is known, for the tests of `ucl.trust`."""

import torch

from ucl.runtime import generator


def views(samples, noise=0.1, seed=0):
    """Two models' embeddings of the same samples, which share nothing but the samples: [n, 10] and [n, 16]."""
    random = generator(seed)
    shared = torch.randn(samples, 6, generator=random)
    sides = []
    for width in (10, 16):
        view = torch.tanh(shared @ torch.randn(6, 40, generator=random) / 2) @ torch.randn(40, width, generator=random)
        sides.append(view + noise * view.std() * torch.randn(samples, width, generator=random))
    return sides


def pairs(scale, n, d, seed):
    """Pairs whose log density ratio is scale times the cosine: y from a large pool, by the softmax."""
    random = generator(seed, 9)
    x, pool = (torch.nn.functional.normalize(torch.randn(k, d, generator=random).double(), dim=1) for k in (n, 4000))
    drawn = torch.multinomial((scale * x @ pool.T).softmax(1), 1, generator=random)[:, 0]
    return x, pool[drawn]
