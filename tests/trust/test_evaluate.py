"""Bridges on known pairs: ranks by hand, intervals and ties by brute force, and the command on files."""

import json

import command
import numpy as np
import pandas as pd
import pytest
import torch
from bridge_oracle import draw

from ucl import Bank, Bridge, diagnose
from ucl.core.critics import Cosine
from ucl.errors import InputError
from ucl.peers import Barycentre, Direct, MonteCarlo, MonteCarloNormalized, OneHop, Ridge, SharedBank
from ucl.trust.evaluate import evaluate, ranks

METHODS = (Direct, MonteCarlo, MonteCarloNormalized, Barycentre, OneHop, Ridge)


def test_ranks_by_hand() -> None:
    scores = torch.tensor(
        [[3.0, 5.0, 4.0, 5.0], [1.0, 1.0, 1.0, 0.0], [torch.nan, 2.0, 1.0, 0.0], [4.0, 3.0, 9.0, 1.0]]
    )
    right = torch.zeros(4, 4, dtype=torch.bool)
    right[0, 2] = right[1, 0] = right[2, 0] = right[3, 0] = right[3, 1] = True
    # two above; two level with it; a NaN hits nothing; of two right ones the better, behind one wrong
    assert ranks(scores, right).tolist() == [3.0, 2.0, 4.0, 2.0]
    assert ranks(torch.tensor([[1.0, torch.nan]]), torch.tensor([[True, False]])).tolist() == [2.0]


def world(n: int = 60) -> tuple[SharedBank, torch.Tensor, torch.Tensor]:
    """A and C are noisy views of B, and the models see B turned differently."""
    b, bank, turn = draw(n, 4), draw(400, 4, seed=1), torch.linalg.qr(draw(4, 4, seed=2)).Q
    a, c = b + 0.3 * draw(n, 4, seed=3), b @ turn + 0.3 * draw(n, 4, seed=4)
    return SharedBank(bank.float(), (bank @ turn).float(), Cosine(8.0), Cosine(8.0)), a.float(), c.float()


def test_recall_intervals_and_ties_are_their_definitions() -> None:
    bank, a, c = world()
    pairs = [(i, i) for i in range(50)] + [(0, 55), (3, 4)]
    found = evaluate(bank, a, c, pairs, peers=METHODS, seed=7)
    assert (found.queries, found.candidates) == (50, 60)
    hits = {}
    for peer in METHODS:
        scores = peer().fit(bank).score(a, c)
        best = []
        for i in range(50):
            own = {j for q, j in pairs if q == i}
            wrong = [float(scores[i, j]) for j in range(60) if j not in own]
            best.append(1 + sum(w > max(float(scores[i, j]) for j in own) for w in wrong))
        hits[peer.name] = np.array(best)
    draws = np.random.default_rng(7).integers(50, size=(2000, 50))
    top = hits[found.winner] <= 1
    assert top.mean() == max((rank <= 1).mean() for rank in hits.values())
    for row in found.rows:
        rank = hits[row.bridge]
        for k in (1, 5, 10):
            low, high = np.quantile((rank <= k)[draws].mean(1), [0.025, 0.975])
            assert (row.recall[k].value, row.recall[k].low, row.recall[k].high) == pytest.approx(
                ((rank <= k).mean(), low, high)
            )
        assert row.median_rank.value == np.median(rank)
        low, high = np.quantile((top * 1.0 - (rank <= 1))[draws].mean(1), [0.025, 0.975])
        assert row.ties == (row.bridge != found.winner and low <= 0 <= high)
    assert "direct" not in [found.winner, *found.tied]
    assert found.winner in repr(found)


def test_what_does_not_apply_is_left_out_and_named() -> None:
    bank, a, c = world()
    wide = SharedBank(bank.for_a, torch.cat([bank.for_c, bank.for_c], 1), bank.ab, bank.bc)
    found = evaluate(wide, a, torch.cat([c, c], 1), [(0, 0), (1, 1)], peers=(Direct, MonteCarlo))
    assert [row.bridge for row in found.rows] == ["monte_carlo"]
    assert found.left_out == ["direct"]


@pytest.mark.parametrize(("pairs", "message"), [([], "at least one pair"), ([(0, 60)], r"got \(0, 60\)")])
def test_wrong_pairs_are_one_line(pairs, message) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(*world(), pairs, peers=(Ridge,))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bank, a, c = world()
    for name, side in {"a": a, "c": c, "b1": bank.for_a, "b2": bank.for_c}.items():
        ids = [f"00{i}" if name == "a" else f"{name[0]}-{i}" for i in range(len(side))]
        pd.DataFrame({"id": ids, "embedding": list(side.numpy())}).to_parquet(f"{name}.parquet")
    pd.DataFrame({"image": [f"00{i}" for i in range(40)], "sound": [f"c-{i}" for i in range(40)]}).to_csv(
        "pairs.csv", index=False
    )
    return bank, a, c


def run(monkeypatch, *words: str) -> int:
    files = ["a.parquet", "c.parquet", "--bank", "b1.parquet", "--bank-for-c", "b2.parquet"]
    return command.run(monkeypatch, "evaluate", *files, "--ab-scale", "8", "--bc-scale", "8", *words)


def test_the_command_reads_pairs_by_id(folder, monkeypatch, capsys) -> None:
    expected = evaluate(*folder, [(i, i) for i in range(40)])
    assert len(expected.rows) + len(expected.left_out) >= 15
    assert run(monkeypatch, "--pairs", "pairs.csv", "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert about == json.loads(json.dumps(expected.to_json()))
    assert run(monkeypatch, "--pairs", "pairs.csv") == 0
    text = capsys.readouterr().out
    assert f"best: {expected.winner}; tied with it: {', '.join(expected.tied) or 'none'}" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n001,c-1\n001,c-99\n", "pairs.csv names 'c-99', which c.parquet does not hold (1 such ids)"),
        ("x\n001\n", "two columns, ids of A and of C"),
        ("x,y\n", "at least one pair"),
        ("", "two columns"),
        ("x,y\n001\n", "cannot read pairs.csv: its rows are not of one length"),
    ],
)
def test_pairs_that_cannot_be_used_are_one_line(folder, monkeypatch, capsys, content, message) -> None:
    with open("pairs.csv", "w") as file:  # noqa: PTH123
        file.write(content)
    assert run(monkeypatch, "--pairs", "pairs.csv") == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_a_bank_with_weights_is_refused_where_every_sample_counts_once() -> None:
    bank, a, c = world()
    weighted = Bank(bank.for_a, bank.for_c, weights=torch.arange(1.0, 401.0))
    with pytest.raises(InputError, match="weights"):
        SharedBank.of(weighted, bank.ab, bank.bc, a, c)
    with pytest.raises(InputError, match="weights"):
        diagnose(Bridge(bank.ab, bank.bc, weighted), a, c, progress=False)
