"""Stacked training against a loop written with PyTorch's own layers, one model at a time."""

import copy

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ucl.learning.encoders import synthetic_encoder
from ucl.learning.training import ContrastiveModel, Optimisation, train
from ucl.runtime import generator

SEEDS, PAIRS, BATCH = 2, 20, 8


def model_and_data(critic: str, penalty: float = 0.0, more: int = 0) -> tuple[ContrastiveModel, dict, Optimisation]:
    encoders = {m: synthetic_encoder([generator(s, i) for s in range(SEEDS)], 4, 3) for i, m in enumerate("abc")}
    model = ContrastiveModel(encoders, {"ab": ("a", "b"), "bc": ("b", "c")}, critic, 0.01, SEEDS)
    # float64: Adam makes steps of full size out of float32's rounding of gradients that are zero.
    draw = lambda key, n=PAIRS: torch.randn(SEEDS, n, 4, generator=generator(key)).double()  # noqa: E731
    data = {"ab": (draw(1, PAIRS + more), draw(2, PAIRS + more)), "bc": (draw(3), draw(4))}
    return model.double(), data, Optimisation(3, BATCH, 0.01, 2, penalty)


def plain_encoder(stacked: nn.Sequential, seed: int) -> nn.Sequential:
    """The published encoder in PyTorch's own layers, with one stacked model's initial weights."""
    layers = nn.Sequential(
        nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 3)
    ).double()
    for plain, layer in zip(layers, stacked, strict=True):
        if isinstance(plain, nn.Linear):
            plain.weight.data = layer.weight.data[seed].T.clone()
            plain.bias.data = layer.bias.data[seed, 0].clone()
    return layers


def similarity(critic: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if critic == "l2":
        return -torch.cdist(x, y)
    if critic == "cosine":
        return torch.cosine_similarity(x[:, None], y[None], dim=-1)
    return torch.einsum("id,jd->ij", x, y)


def train_plainly(model: ContrastiveModel, data: dict, o: Optimisation, critic: str, seed: int) -> dict:
    """The published loop for one seed."""
    encoders = {m: plain_encoder(model.encoders[m], seed) for m in "abc"}
    log_scale = nn.Parameter(torch.tensor(0.01, dtype=torch.float64))
    parameters = [p for e in encoders.values() for p in e.parameters()]
    optimiser = torch.optim.Adam([*parameters, log_scale], lr=o.learning_rate)
    shuffle = generator(seed, 77)
    for epoch in range(o.epochs):
        if epoch == o.decay_epoch:
            optimiser.param_groups[0]["lr"] /= 10
        order = {pair: torch.randperm(x.shape[1], generator=shuffle)[:PAIRS] for pair, (x, _) in data.items()}
        for start in range(0, PAIRS, BATCH):
            loss = torch.zeros((), dtype=torch.float64)
            for pair, (x, y) in data.items():
                rows = order[pair][start : start + BATCH]
                left, right = encoders[pair[0]](x[seed, rows]), encoders[pair[1]](y[seed, rows])
                logits = log_scale.exp() * similarity(critic, left, right)
                labels = torch.arange(len(rows))
                loss = loss + (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2
                loss = loss + o.norm_penalty * (left.square().sum(1) + right.square().sum(1)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return {"encoders": encoders, "log_scale": log_scale}


def test_stacked_training_is_the_plain_loop() -> None:
    for critic, penalty, more in (("l2", 0.0, 0), ("cosine", 0.01, 0), ("dot", 0.01, 0), ("l2", 0.01, 6)):
        model, data, optimisation = model_and_data(critic, penalty, more)
        plain = [train_plainly(copy.deepcopy(model), data, optimisation, critic, s) for s in range(SEEDS)]
        train(model, data, optimisation, [generator(s, 77) for s in range(SEEDS)], lambda *_: None)
        x = torch.randn(SEEDS, 6, 4, generator=generator(8)).double()
        for seed in range(SEEDS):
            assert torch.allclose(model.log_scale[seed], plain[seed]["log_scale"], atol=1e-6)
            for modality in "abc":
                expected = plain[seed]["encoders"][modality].eval()(x[seed])
                assert torch.allclose(model.encode(modality, x)[seed], expected, atol=1e-6), (critic, modality)


def test_training_repeats_to_the_last_bit() -> None:
    weights = []
    for _ in range(2):
        model, data, optimisation = model_and_data("l2")
        train(model, data, optimisation, [generator(s, 77) for s in range(SEEDS)], lambda *_: None)
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_every_epoch_is_reported_with_its_mean_loss() -> None:
    model, data, optimisation = model_and_data("l2")
    seen: list[tuple[int, float]] = []
    train(
        model,
        data,
        optimisation,
        [generator(s, 77) for s in range(SEEDS)],
        lambda epoch, _, losses: seen.append((epoch, float(losses["ab"].mean()))),
    )
    assert [epoch for epoch, _ in seen] == [0, 1, 2]
    assert all(0 < loss < 10 for _, loss in seen)


def test_encoders_of_other_layers_are_not_trained_as_one() -> None:
    """Same shapes, another activation: the loss of one whole batch is that of the encoder itself."""
    model, data, _ = model_and_data("l2")
    model.encoders["c"][2] = nn.Tanh()
    x, y = (copy.deepcopy(model.encoders[m]).train()(side) for m, side in zip("bc", data["bc"], strict=True))
    logits = model.log_scale.exp()[:, None, None] * -torch.cdist(x, y)
    labels = torch.arange(PAIRS)
    expected = torch.stack([(cross_entropy(grid, labels) + cross_entropy(grid.T, labels)) / 2 for grid in logits])
    seen: list[torch.Tensor] = []
    once = Optimisation(1, PAIRS, 0.01, 2, 0.0)
    train(
        model, data, once, [generator(s, 77) for s in range(SEEDS)], lambda epoch, _, losses: seen.append(losses["bc"])
    )
    assert torch.allclose(seen[0], expected.detach())
