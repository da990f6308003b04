"""Training all seeds as one stacked model against one model at a time, as the published code does."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from bench import Line, median_seconds
from ucl.experiments.params import load_params
from ucl.experiments.synthetic.data import sample
from ucl.experiments.synthetic.training import build_model
from ucl.learning.training import Optimisation, train
from ucl.runtime import prepare
from ucl.worlds.draws import streams

TITLE = "Training: 20 seeds stacked against 20 seeds one after another"
EPOCHS = 4


def run() -> Iterator[Line]:
    prepare(torch.get_num_threads())
    params = load_params("params.yaml").synthetic
    data = sample(params)
    train_one("l2", {"ab": (data["ab.a"][0], data["ab.b"][0]), "bc": (data["bc.b"][0], data["bc.c"][0])}, 2)  # warm up
    optimisation = Optimisation(EPOCHS, params.batch_size, params.learning_rate, params.decay_epoch, 0.0)
    pairs = {"ab": (data["ab.a"], data["ab.b"]), "bc": (data["bc.b"], data["bc.c"])}
    for critic in ("l2", "cosine"):

        def stacked(critic: str = critic) -> None:
            model = build_model(params, critic)
            train(model, pairs, optimisation, streams(params.seeds, "shuffle"), lambda *_: None)

        def one_by_one(critic: str = critic) -> None:
            for seed in range(params.seeds):
                train_one(critic, {pair: (x[seed], y[seed]) for pair, (x, y) in pairs.items()}, params.dimension)

        ours, theirs = median_seconds(stacked, one_by_one)
        yield Line(
            what=f"{params.seeds} seeds, {EPOCHS} epochs of {params.pairs} pairs, {critic}",
            ours=f"{ours:.2f} s",
            peer="a DataLoader and one model at a time",
            theirs=f"{theirs:.1f} s",
            ratio=theirs / ours,
            bar="at least 20 times faster",
            met=theirs / ours >= 20,
        )


def encoder(inputs: int, outputs: int) -> nn.Sequential:
    """The published encoder in PyTorch's own layers."""
    return nn.Sequential(
        nn.Linear(inputs, inputs),
        nn.BatchNorm1d(inputs),
        nn.ReLU(),
        nn.Linear(inputs, inputs // 2),
        nn.ReLU(),
        nn.Linear(inputs // 2, outputs),
    )


def similarity(critic: str, x: Tensor, y: Tensor) -> Tensor:
    if critic == "l2":
        return -torch.cdist(x, y)
    return nn.functional.normalize(x, dim=-1) @ nn.functional.normalize(y, dim=-1).T


def train_one(critic: str, pairs: dict[str, tuple[Tensor, Tensor]], dimension: int) -> None:
    """One seed: two loaders side by side, both losses in one step."""
    widths = {"a": 32, "b": 16, "c": 32}
    encoders = nn.ModuleDict({m: encoder(width, dimension) for m, width in widths.items()})
    log_scale = nn.Parameter(torch.tensor(0.01))
    optimiser = torch.optim.Adam([*encoders.parameters(), log_scale], lr=0.01)
    loaders = [DataLoader(TensorDataset(*pair), batch_size=64, shuffle=True) for pair in pairs.values()]
    for _ in range(EPOCHS):
        for batches in zip(*loaders, strict=True):
            loss = torch.zeros(())
            for (left, right), (x, y) in zip(pairs, batches, strict=True):
                logits = log_scale.exp() * similarity(critic, encoders[left](x), encoders[right](y))
                labels = torch.arange(len(x))
                loss = loss + (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
