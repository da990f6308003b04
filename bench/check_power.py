"""How often `ucl check` finds displaced rows, and how often it finds them in a sound bank: `docs/check.md`'s numbers.

`python -m bench.check_power sound --first 2000 --banks 200` looks at sound banks, `... power` displaces rows of each as
well. A line of JSON per bank; the worlds are drawn from the seed: linear and nonlinear views, clusters, heavy tails,
sides that share a part of what they see, side widths and noise from next to none to where hardly anything is left.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ucl.runtime import generator
from ucl.trust.displaced import align

KINDS = ("linear", "nonlinear", "partial", "clusters", "heavy", "unit", "walk")
SHARES = (0.1, 0.2, 0.5, 1.0)


def bank(seed: int, samples: int) -> tuple[str, float, Tensor, Tensor]:
    """A kind of world, its noise, and two embeddings of the same samples."""
    random = generator(seed, 2718)
    normal = partial(torch.randn, generator=random)
    kind = KINDS[seed % len(KINDS)]
    latent, noise = (
        int(torch.randint(4, 17, (), generator=random)),
        float(10 ** (1.3 * torch.rand((), generator=random) - 1)),
    )
    widths = [int(2 ** (3 + 5 * torch.rand((), generator=random))) for _ in range(2)]
    shared = normal(samples, latent)
    if kind == "clusters":
        centres = 2 * normal(12, latent)
        shared = centres[torch.randint(12, (samples,), generator=random)] + 0.5 * shared
    if kind == "walk":
        for i in range(1, samples):
            shared[i] = 0.9 * shared[i - 1] + 0.44 * shared[i]
    sides = []
    for width in widths:
        seen = torch.cat([shared, normal(samples, latent)], 1) if kind == "partial" else shared
        view = _linear if kind in ("linear", "heavy") else _nonlinear
        side = view(seen, width, normal)
        own = normal(samples, width)
        if kind == "heavy":  # Student's t with three degrees of freedom
            own = own / normal(samples, 3).square().mean(1, keepdim=True).sqrt()
        side = side / side.std() + noise * own
        sides.append(side / side.norm(dim=1, keepdim=True) if kind == "unit" else side)
    return kind, noise, sides[0], sides[1]


def _linear(x: Tensor, width: int, normal: Callable[..., Tensor]) -> Tensor:
    return x @ normal(x.shape[1], width)


def _nonlinear(x: Tensor, width: int, normal: Callable[..., Tensor]) -> Tensor:
    for _ in range(2):
        x = torch.tanh(1.5 * x @ normal(x.shape[1], 64) / x.shape[1] ** 0.5)
    return x @ normal(64, width)


def displaced(rows: Tensor, share: float, how: str, random: torch.Generator) -> Tensor:
    """A share of the rows in another order: anywhere in the bank, or a block turned, reversed or moved by one."""
    count, moved = len(rows), round(share * len(rows))
    if how == "anywhere":
        at = torch.randperm(count, generator=random)[:moved]
    else:
        at = torch.arange(moved) + int(torch.randint(count - moved + 1, (), generator=random))
    orders = {
        "anywhere": at[torch.randperm(moved, generator=random)],
        "turned": at.roll(moved // 3),
        "reversed": at.flip(0),
        "by_one": at.roll(1),
    }
    rows = rows.clone()
    rows[at] = rows[orders[how]]
    return rows


def look(for_a: Tensor, for_c: Tensor, seed: int, plant: bool) -> dict[str, object]:
    """What `align` says."""
    take = [lambda index, rows=rows: rows[torch.from_numpy(index)] for rows in (for_a, for_c)]
    found = align(take[0], take[1], len(for_a), seed, plant)
    numbers = {
        name: round(float(getattr(found, name)), 3) for name in ("related", "share", "likelier", "exchanged", "top")
    }
    return {"unrelated": found.unrelated, "displaced": found.displaced, "found": found.found, **numbers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sound", "power"))
    parser.add_argument("--first", type=int, default=2000, help="seed of the first bank; those below 2000 tuned it")
    parser.add_argument("--banks", type=int, default=100)
    parser.add_argument("--samples", type=int, default=500)
    options = parser.parse_args()
    hows = ("anywhere", "turned", "reversed", "by_one")
    for seed in range(options.first, options.first + options.banks):
        kind, noise, for_a, for_c = bank(seed, options.samples)
        line = {"seed": seed, "kind": kind, "noise": round(noise, 3)}
        line |= {"sound": look(for_a, for_c, seed, options.what == "power")}
        if options.what == "power":
            for turn, share in enumerate(SHARES):
                how = hows[int(np.random.default_rng([seed, turn]).integers(4))]
                moved = displaced(for_c, share, how, generator(seed, turn, 31))
                line[str(share)] = {"how": how, **look(for_a, moved, seed, False)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
