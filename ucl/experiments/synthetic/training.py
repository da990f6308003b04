"""Training of `synthetic`: one model of all seeds, kept after every epoch."""

import pandas as pd
import torch
from torch import Tensor

from ucl.experiments.gaussian import optimisation_of
from ucl.experiments.settings import GaussianTraining
from ucl.experiments.synthetic.data import Tensors
from ucl.experiments.synthetic.methods import REFERENCE
from ucl.learning.encoders import synthetic_encoder
from ucl.learning.training import ContrastiveModel, train
from ucl.worlds.draws import streams

__all__ = ["build_model", "train_model"]


def build_model(params: GaussianTraining, name: str) -> ContrastiveModel:
    """An untrained model: encoders of A, B and C under a critic, or of A and C for the reference."""
    widths = params.dims.model_dump()
    modalities = "ac" if name == REFERENCE else "abc"
    encoders = {m: synthetic_encoder(streams(params.seeds, m), widths[m], params.dimension) for m in modalities}
    pairs = {"ac": ("a", "c")} if name == REFERENCE else {"ab": ("a", "b"), "bc": ("b", "c")}
    critic = "l2" if name == REFERENCE else name
    return ContrastiveModel(encoders, pairs, critic, params.log_scale, params.seeds)


def train_model(
    params: GaussianTraining, name: str, data: Tensors, device: torch.device, progress: bool = True
) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Train one model for all seeds.

    Returns its weights after every epoch ([epochs, ...] each) and a table epoch, seed, pair, loss (nats).
    """
    model = build_model(params, name).to(device)
    pairs = {pair: tuple(data[f"{pair}.{m}"].to(device) for m in encoders) for pair, encoders in model.pairs.items()}
    checkpoints: list[dict[str, Tensor]] = []
    losses: list[pd.DataFrame] = []

    def keep(epoch: int, model: ContrastiveModel, means: Tensors) -> None:
        checkpoints.append({key: value.cpu().clone() for key, value in model.state_dict().items()})
        table = pd.DataFrame({pair: mean.cpu().numpy() for pair, mean in means.items()}).rename_axis("seed")
        losses.append(
            table.reset_index().assign(epoch=epoch).melt(["epoch", "seed"], var_name="pair", value_name="loss")
        )

    label = f"train {name}, {params.seeds} seeds" if progress else None
    train(model, pairs, optimisation_of(params), streams(params.seeds, "shuffle"), keep, label)  # type: ignore[arg-type]
    weights = {key: torch.stack([checkpoint[key] for checkpoint in checkpoints]) for key in checkpoints[0]}
    return weights, pd.concat(losses, ignore_index=True)
