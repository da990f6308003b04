"""What the experiments in Gaussian worlds share: the worlds, the draws and the recipe that a section describes."""

from ucl.experiments.settings import GaussianData, GaussianTraining
from ucl.learning.model_pairs import Recipe
from ucl.learning.training import Optimisation
from ucl.worlds.draws import streams
from ucl.worlds.gaussian import GaussianWorld, Triples

__all__ = ["optimisation_of", "recipe_of", "sample_draws", "world_of"]


def world_of(params: GaussianData) -> GaussianWorld:
    """A world for every seed."""
    dims = (params.dims.a, params.dims.b, params.dims.c)
    return GaussianWorld.at_random(streams(params.seeds, "world"), dims, params.noise)


def sample_draws(params: GaussianData, world: GaussianWorld) -> dict[str, Triples]:
    """The three training draws `ab`, `bc` and `ac`, the `validation` points, and a `bank` apart from them."""
    sizes = dict.fromkeys(("ab", "bc", "ac"), params.pairs) | {"validation": params.validation, "bank": params.bank}
    return {name: world.sample(count, streams(params.seeds, name)) for name, count in sizes.items()}


def recipe_of(params: GaussianTraining) -> Recipe:
    """How the section's models are built and trained."""
    return Recipe(params.seeds, params.dimension, params.log_scale, optimisation_of(params))


def optimisation_of(params: GaussianTraining) -> Optimisation:
    """The section's training settings."""
    return Optimisation(params.epochs, params.batch_size, params.learning_rate, params.decay_epoch, params.norm_penalty)
