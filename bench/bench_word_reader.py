"""The maze's word reader, all seeds at once with its gradient written out, beside PyTorch's recurrent networks."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from bench import Line, median_seconds
from ucl.experiments.params import load_params
from ucl.maze import layouts
from ucl.maze.language import Grammar
from ucl.maze.models import PAD, WORD_SCALE, Tokenizer
from ucl.maze.word_reader import StackedGRU
from ucl.runtime import generator, prepare

TITLE = "The maze's word reader: beside PyTorch's recurrent networks"
MAZE, REPEATS, SAME = "fork", 11, 1e-5


@dataclass(frozen=True)
class Batch:
    """Texts of every seed, vectors of their words, and the gradient that arrives for the last states."""

    table: Tensor  # [S, words, d]
    ids: Tensor  # [S, n, length]
    lengths: Tensor  # [S, n]
    gradient: Tensor  # [S, n, 2 d]


def run() -> Iterator[Line]:
    """Last states of a training batch, and gradients for the word vectors and the weights."""
    prepare(torch.get_num_threads())
    params = load_params("params.yaml").maze
    reader = StackedGRU([generator(s) for s in range(params.seeds)], params.width // 4, params.width // 2)
    batch = training_batch(params.seeds, params.batch, params.width // 4)
    readers = {
        "": (reader.parameters(), lambda: reader(batch.table, batch.ids, batch.lengths)),
        "the same steps through autograd": (reader.parameters(), lambda: through_autograd(reader, batch)),
        "torch.nn.GRU, a seed at a time": one_by_one(reader, batch),
        "torch.func.vmap over torch.nn.GRUCell": by_vmap(reader, batch),
    }
    passes = [forward_and_backward(*parts, batch) for parts in readers.values()]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*batching rule for aten::gru_cell")
        expected = passes[0]()
        for name, passed in zip(readers, passes, strict=True):
            torch.testing.assert_close(passed(), expected, rtol=0, atol=SAME, msg=f"{name} reads something else")
        ours, *others = median_seconds(*passes, repeats=REPEATS)
    texts = f"{params.batch} texts of {MAZE}, {batch.lengths.double().mean():.0f} words on average"
    for name, theirs in zip(list(readers)[1:], others, strict=True):
        yield Line(
            f"{params.seeds} seeds, {texts}, width {params.width // 2}, forward and backward",
            f"{1e3 * ours:.1f} ms",
            name,
            f"{1e3 * theirs:.1f} ms",
            theirs / ours,
            "at least 1.3 times faster",
            theirs / ours >= 1.3,
        )


def training_batch(seeds: int, texts: int, width: int) -> Batch:
    """Phrases of the maze's training split."""
    phrases = Grammar(layouts.get(MAZE)).phrases("train")
    tokenizer, random = Tokenizer.fit(phrases), generator(0)
    ids = tokenizer(phrases)[torch.randint(len(phrases), (seeds, texts), generator=random)]
    table = (WORD_SCALE * torch.randn(seeds, len(tokenizer), width, generator=random)).requires_grad_()
    return Batch(table, ids, (ids != PAD).sum(-1), torch.randn(seeds, texts, 2 * width, generator=random))


Forward = Callable[[], Tensor]


def forward_and_backward(parameters: Iterator[Tensor], forward: Forward, batch: Batch) -> Callable[[], Tensor]:
    leaves = [batch.table, *parameters]

    def passed() -> Tensor:
        states = forward()
        torch.autograd.grad(states, leaves, batch.gradient)
        return states.detach()

    return passed


def through_autograd(reader: StackedGRU, batch: Batch) -> Tensor:
    """What `StackedGRU` does, with nothing said about gradients."""
    weight, bias, width = reader.state.weight, reader.state.bias, reader.state.weight.shape[1]
    models, words, _ = batch.table.shape
    lengths, order = batch.lengths.sort(dim=1, descending=True, stable=True)
    ids = batch.ids.gather(1, order[..., None].expand_as(batch.ids))
    rows = ids + words * torch.arange(models)[:, None, None]
    said = reader.inputs(batch.table).flatten(0, 1).index_select(0, rows.flatten()).view(*rows.shape, -1)
    words_said = said.unbind(2)  # indexing step by step would give every step a gradient for all words
    state = said.new_zeros(*rows.shape[:2], width)
    for step in range(int(lengths.max())):
        read = lengths > step
        going = int(read.any(0).sum())
        now, before = words_said[step][:, :going], state[:, :going]
        recalled = torch.baddbmm(bias, before, weight)
        gates = (now[..., : 2 * width] + recalled[..., : 2 * width]).sigmoid()
        reset, update = gates.split(width, dim=-1)
        new = (now[..., 2 * width :] + reset * recalled[..., 2 * width :]).tanh()
        after = torch.where(read[:, :going, None], torch.lerp(new, before, update), before)
        state = torch.cat([after, state[:, going:]], dim=1)
    return state.gather(1, order.argsort(1)[..., None].expand_as(state))


def one_by_one(reader: StackedGRU, batch: Batch) -> tuple[Iterator[Tensor], Forward]:
    """PyTorch's own network for every seed, on packed sequences."""
    make = lambda inputs, outputs: nn.GRU(inputs, outputs, batch_first=True)  # noqa: E731
    networks = nn.ModuleList(of_library(reader, make, "_l0"))

    def read(network: nn.Module, table: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        texts = pack_padded_sequence(nn.functional.embedding(ids, table), lengths, True, enforce_sorted=False)
        return network(texts)[1][0]

    seeds = lambda: zip(networks, batch.table, batch.ids, batch.lengths, strict=True)  # noqa: E731
    return networks.parameters(), lambda: torch.stack([read(*seed) for seed in seeds()])


def by_vmap(reader: StackedGRU, batch: Batch) -> tuple[Iterator[Tensor], Forward]:
    """PyTorch's cell for one seed, looped over the words, mapped over the seeds."""
    cells = of_library(reader, nn.GRUCell, "")
    parameters, _ = torch.func.stack_module_state(cells)

    def read(own: dict[str, Tensor], table: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        words = nn.functional.embedding(ids, table)
        state = words.new_zeros(len(ids), cells[0].hidden_size)
        for step, word in enumerate(words.unbind(1)):
            after = torch.func.functional_call(cells[0], own, (word, state))
            state = torch.where((lengths > step)[:, None], after, state)
        return state

    mapped = torch.func.vmap(read)
    return iter(parameters.values()), lambda: mapped(parameters, batch.table, batch.ids, batch.lengths)


def of_library(reader: StackedGRU, make: Callable[[int, int], nn.Module], suffix: str) -> list[nn.Module]:
    """The same networks in PyTorch's own modules, one for every seed."""
    models, outputs, _ = reader.state.weight.shape
    modules = [make(reader.inputs.weight.shape[1], outputs) for _ in range(models)]
    for seed, module in enumerate(modules):
        for kind, layer in (("ih", reader.inputs), ("hh", reader.state)):
            getattr(module, f"weight_{kind}{suffix}").data = layer.weight.data[seed].T.contiguous()
            getattr(module, f"bias_{kind}{suffix}").data = layer.bias.data[seed, 0].clone()
    return modules
