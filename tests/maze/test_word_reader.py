"""The stacked recurrent network against PyTorch's own, model by model: states and gradients."""

import torch
from torch import nn

from ucl.maze.word_reader import StackedGRU
from ucl.runtime import generator

MODELS, WORDS, TEXTS, INPUTS, OUTPUTS = 3, 7, 11, 4, 5


def peers(stacked: StackedGRU) -> nn.ModuleList:
    """The same networks as `torch.nn.GRU`."""
    grus = nn.ModuleList(nn.GRU(INPUTS, OUTPUTS, batch_first=True, dtype=torch.float64) for _ in range(MODELS))
    for model, gru in enumerate(grus):
        for kind, layer in (("ih", stacked.inputs), ("hh", stacked.state)):
            getattr(gru, f"weight_{kind}_l0").data = layer.weight.data[model].T.contiguous()
            getattr(gru, f"bias_{kind}_l0").data = layer.bias.data[model, 0].clone()
    return grus


def test_states_and_gradients_are_those_of_pytorch() -> None:
    stacked = StackedGRU([generator(seed) for seed in range(MODELS)], INPUTS, OUTPUTS).double()
    grus = peers(stacked)
    random = generator(9)
    tables = [torch.randn(MODELS, WORDS, INPUTS, generator=random, dtype=torch.float64).requires_grad_()]
    tables.append(tables[0].detach().clone().requires_grad_())
    ids = torch.randint(WORDS, (MODELS, TEXTS, 6), generator=random)
    lengths = torch.randint(1, 7, (MODELS, TEXTS), generator=random)
    pull = torch.randn(MODELS, TEXTS, OUTPUTS, generator=random, dtype=torch.float64)

    ours = stacked(tables[0], ids, lengths)
    theirs = []
    for gru, table, text, length in zip(grus, tables[1], ids, lengths, strict=True):
        packed = nn.utils.rnn.pack_padded_sequence(table[text], length, batch_first=True, enforce_sorted=False)
        theirs.append(gru(packed)[1][0])
    torch.testing.assert_close(ours, torch.stack(theirs))

    (ours * pull).sum().backward()
    (torch.stack(theirs) * pull).sum().backward()
    torch.testing.assert_close(tables[0].grad, tables[1].grad)
    for kind, layer in (("ih", stacked.inputs), ("hh", stacked.state)):
        weights = torch.stack([getattr(gru, f"weight_{kind}_l0").grad.T for gru in grus])
        biases = torch.stack([getattr(gru, f"bias_{kind}_l0").grad for gru in grus])
        torch.testing.assert_close(layer.weight.grad, weights)
        torch.testing.assert_close(layer.bias.grad[:, 0], biases)
