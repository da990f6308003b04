"""Training of `diagnosis`: the two models of a case, and all that is asked of them afterwards."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.bridge import log_sum_exp_scores
from ucl.core.critics import CRITICS
from ucl.experiments.diagnosis.config import Models
from ucl.experiments.gaussian import recipe_of
from ucl.experiments.scenes import SCENES
from ucl.experiments.worlds import World, build_world
from ucl.learning.model_pairs import Embedded, ModelPair, train_model_pair
from ucl.worlds.draws import streams

__all__ = ["learn"]

CHUNK = 20_000  # samples of the large bank that are drawn and embedded at once, for every seed


def learn(params: Models, case: str, progress: bool = True) -> dict[str, Tensor]:
    """Train the two models of a case, as `peers` does, and embed what the diagnosis is given and judged by.

    Returns, all [S, ., d] and apart from each other: `a`, `c`, true pairs; `samples_a`, `samples_c`, unpaired; the bank
    `for_a`, `for_c`, and the same moved away, `far_for_a`, `far_for_c`; held-out pairs of each model, `pairs_a` and
    `pairs_c`, whose B are in both embeddings, A's first, `pairs_for_a` and `pairs_for_c`. Beside them `scale_ab`,
    `scale_bc` [S] and, in Gaussian worlds, scores of the large bank (`_large_bank`).
    """
    name, params = params.of_case(case)
    scene = SCENES[name]
    world, encoder, params = build_world(params, scene.world)
    sample = lambda purpose, count: world.sample(count, streams(params.seeds, purpose))  # noqa: E731
    draws = {draw: sample(draw, params.pairs) for draw in ("ab", "bc")}
    widths = None if scene.shared else (params.dimension, params.dimension)
    label = f"train {case}" if progress else None
    pair = train_model_pair(recipe_of(params), scene.critic, draws, widths=widths, encoder=encoder, progress=label)
    queries, bank = sample("validation", params.validation), sample("bank", params.bank).b
    known = pair.embed(queries.a, queries.c, bank)
    away = bank + params.shift * bank.std(1, keepdim=True)
    unpaired = pair.embed(sample("samples_a", params.samples).a, sample("samples_c", params.samples).c, away)
    ab, bc = (sample(purpose, params.held_out) for purpose in ("held_out_ab", "held_out_bc"))
    held_out = pair.embed(ab.a, bc.c, torch.cat([ab.b, bc.b], 1))
    tensors = {"a": known.a, "c": known.c, "for_a": known.for_a, "for_c": known.for_c}
    tensors |= {"samples_a": unpaired.a, "samples_c": unpaired.c}
    tensors |= {"far_for_a": unpaired.for_a, "far_for_c": unpaired.for_c}
    tensors |= {"pairs_a": held_out.a, "pairs_c": held_out.c}
    tensors |= {"pairs_for_a": held_out.for_a, "pairs_for_c": held_out.for_c}
    tensors |= {f"scale_{name}": torch.as_tensor(getattr(known, name).scale) for name in ("ab", "bc")}
    return tensors | (_large_bank(params, world, pair, known) if scene.world == "gaussian" else {})


def _large_bank(params: Models, world: World, pair: ModelPair, known: Embedded) -> dict[str, Tensor]:
    """Log sums over a large bank apart from the others, less log M: `large_pairs` [S, q, q] of the first q queries and
    candidates, `large_a` and `large_c` [S, q] of each critic alone.
    """
    sources, samples = streams(params.seeds, "large_bank"), params.large_bank.samples
    found: dict[str, Tensor] = {}
    for start in range(0, samples, CHUNK):
        chunk = world.sample(min(CHUNK, samples - start), sources)
        b = pair.embed(chunk.a[:, :1], chunk.c[:, :1], chunk.b)
        parts = [_log_sums(params, known, b, seed) for seed in range(params.seeds)]
        for key in parts[0]:
            own = torch.stack([part[key] for part in parts])
            found[key] = own if start == 0 else torch.logaddexp(found[key], own)
    return {key: sums - math.log(samples) for key, sums in found.items()}


def _log_sums(params: Models, known: Embedded, b: Embedded, seed: int) -> dict[str, Float[Tensor, "..."]]:
    """The log sums of one seed over a part of the large bank, in float64."""
    rows = slice(0, params.large_bank.rows)
    sides = []
    for critic, anchors, samples in ((known.ab, known.a, b.for_a), (known.bc, known.c, b.for_c)):
        of_seed = CRITICS[critic.name](float(torch.as_tensor(critic.scale)[seed]))
        sides.append(of_seed(anchors[seed, rows].double(), samples[seed].double()))
    pairs = log_sum_exp_scores(*sides) + math.log(sides[0].shape[1])
    return {"large_pairs": pairs, "large_a": sides[0].logsumexp(1), "large_c": sides[1].logsumexp(1)}
