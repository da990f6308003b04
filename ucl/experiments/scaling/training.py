"""Training of `scaling`: a joint model in its Gaussian world, as an embedding file."""

from dataclasses import astuple

import torch
from torch import Tensor

from ucl.experiments.gaussian import recipe_of, sample_draws, world_of
from ucl.experiments.scaling.config import Models
from ucl.experiments.scaling.trials import stream, trial_rows
from ucl.learning.model_pairs import train_model_pair
from ucl.worlds.gaussian import GaussianWorld, Triples

__all__ = ["embed_world"]


def embed_world(params: Models, model: str, device: torch.device, progress: bool = True) -> dict[str, Tensor]:
    """Train a joint model (one encoder of B, cosine critic) in its Gaussian world; the embedding file's tensors."""
    training = params.training(model)
    world, count = world_of(training), params.trials * params.candidates
    pairs = sample_draws(training, world)
    on_device = {name: Triples(*(x.to(device) for x in astuple(pairs[name]))) for name in ("ab", "bc")}
    label = f"train {model}" if progress else None
    encoder = train_model_pair(recipe_of(training), "cosine", on_device, progress=label).ab
    pool, bank = (
        world.sample(n, [stream(params, channel)]) for n, channel in ((count, "pool"), (params.largest, "bank"))
    )
    with torch.no_grad():
        embeddings = {
            name: encoder.encode(modality, x.to(device))[0].cpu()
            for name, modality, x in (("a", "a", pool.a), ("c", "c", pool.c), ("b_for_a", "b", bank.b))
        }
    scale = torch.as_tensor(encoder.critic.scale).double().cpu()
    exact = [_exact(world, pool.a[0, rows], pool.c[0, rows], params.queries) for rows in trial_rows(count, params)]
    return embeddings | {"scale_ab": scale, "scale_bc": scale.clone(), "exact": torch.stack(exact).float()}


def _exact(world: GaussianWorld, a: Tensor, c: Tensor, queries: int) -> Tensor:
    return world.log_ratio(a[None, :queries], c[None])[0]
