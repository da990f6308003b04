"""Answers over shards, on disk and by tiles, are those over the whole bank, and those of brute force."""

from pathlib import Path

import numpy as np
import pytest
import torch
from bridge_oracle import draw, similarity
from safetensors.numpy import load_file

from ucl import Bank, Bridge, BridgeResult, Cosine, Dot, InputError, NegativeL2
from ucl.core import parts
from ucl.core.parts import Parts, score_part
from ucl.core.tiles import TileWriter

AB, BC = Cosine(60.0), Cosine(20.0)
TOLERANCE = {torch.float32: 5e-7, torch.float64: 1e-12}


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows of queries are scored together, two are merged."""
    monkeypatch.setattr(parts, "SCORED", 3 * 9)
    monkeypatch.setattr(parts, "MERGED", 2 * 9)


def exact(ab, bc, a, c, bank: Bank, normalize: bool) -> torch.Tensor:
    """Term by term, in float64."""
    for_a, for_c = (rows.read(0, len(rows)) for rows in (bank.for_a, bank.for_c))
    s, t = similarity(ab, a, for_a), similarity(bc, c, for_c)
    weights = torch.ones(len(for_a)).double() if bank.weights is None else bank.weights
    share = weights.log() - weights.sum().log()
    scores = torch.logsumexp(s[:, None] + t[None] + share, -1)
    if normalize:
        scores = scores - torch.logsumexp(s + share, 1)[:, None] - torch.logsumexp(t + share, 1)
    return scores


def written(bank: Bank, folder: Path, count: int, a, c, *, errors: bool = False, normalize: bool = True, **other):
    """The files of all shards."""
    paths = [folder / f"part-{i + 1}.safetensors" for i in range(count)]
    for i, path in enumerate(paths):
        bridge = Bridge(other.get("ab", AB), other.get("bc", BC), bank.shard(i, count), normalize=normalize)
        score_part(bridge, a, c, path, errors=errors, progress=False)
    return paths


def gathered(whole: Parts, name: str) -> torch.Tensor:
    return torch.cat([getattr(tile, name) for tile in whole.tiles(False)])


@pytest.mark.parametrize("count", [1, 4, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shards_are_the_whole_within_the_stated_bound(tmp_path: Path, count: int, dtype: torch.dtype, monkeypatch):
    if count == 1:  # and one tile: the very same numbers
        monkeypatch.setattr(parts, "SCORED", 2**20)
    a, c = draw(7, 6).to(dtype), draw(9, 5, seed=1).to(dtype)
    bank = Bank(draw(411, 6, seed=2).to(dtype), draw(411, 5, seed=3).to(dtype))
    for normalize in (True, False):
        whole = Bridge(AB, BC, bank, normalize=normalize).score(a, c)
        merged = Parts(written(bank, tmp_path, count, a, c, normalize=normalize))
        scores = gathered(merged, "scores")
        bound = TOLERANCE[dtype] * 80
        rounding = 4e-6 if dtype == torch.float32 else 0.0  # of an answer of at most 64 to float32
        assert scores.dtype == dtype
        assert (scores.double() - exact(AB, BC, a, c, bank, normalize)).abs().max() <= bound + rounding
        assert (scores - whole.scores).abs().max() <= 2 * bound
        assert merged.bank_size == 411
        if count == 1:
            assert torch.equal(scores, whole.scores)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_errors_of_shards_are_those_of_the_whole(tmp_path: Path, weighted: bool, normalize: bool) -> None:
    """Repeats in other shards count, and weights."""
    a, c, rows = draw(7, 4), draw(9, 4, seed=1), draw(30, 4, seed=2)[torch.arange(90) % 30]
    ab, bc = NegativeL2(3.0), Dot(0.5)
    bank = Bank(rows, weights=torch.arange(1, 91) if weighted else None)
    whole = Bridge(ab, bc, bank, normalize=normalize).score(a, c)
    merged = Parts(written(bank, tmp_path, 4, a, c, errors=True, normalize=normalize, ab=ab, bc=bc))
    for name in ("scores", "standard_error", "effective_sample_size"):
        assert torch.allclose(gathered(merged, name), getattr(whole, name), rtol=1e-9)
    assert torch.allclose(gathered(merged, "scores"), exact(ab, bc, a, c, bank, normalize), atol=1e-11)


def test_a_file_of_scores_alone_is_smaller_and_says_so(tmp_path: Path) -> None:
    a, c, bank = draw(7, 4), draw(9, 4, seed=1), Bank(draw(50, 4, seed=2))
    result = Bridge(AB, BC, bank).score(a, c)
    result.save(tmp_path / "full.safetensors")
    result.save(tmp_path / "scores.safetensors", errors=False)
    full, alone = (load_file(tmp_path / f"{name}.safetensors") for name in ("full", "scores"))
    assert {name for name in full if name.endswith("pairs")} > {"first_pairs"}
    assert {name for name in alone if name.endswith("pairs")} == {"first_pairs"}
    loaded = BridgeResult.load(tmp_path / "scores.safetensors")
    assert torch.equal(loaded.scores, result.scores)
    assert torch.equal(loaded.with_normalization(False).scores, result.with_normalization(False).scores)
    for name in ("standard_error", "effective_sample_size"):
        with pytest.raises(InputError, match="holds scores alone"):
            getattr(loaded, name)


def test_prepared_shards_are_the_whole(tmp_path: Path) -> None:
    """Each shard prepared by itself, or taken from the prepared bank; and mixed with shards that are not."""
    a, c, rows = draw(7, 6), draw(9, 6, seed=1), draw(120, 6, seed=2)[torch.arange(300) % 120]
    bank = Bank(rows, ids=[f"t{i}" for i in range(300)])
    whole = Bridge(AB, BC, bank).score(a, c)
    bank.prepare(AB, BC, tmp_path / "bank", progress=False)
    paths = {"own": [], "of the whole": [], "mixed": []}
    for i in range(3):
        bank.shard(i, 3).prepare(AB, BC, tmp_path / f"bank-{i}", progress=False)
        own, of_whole = Bank.load(tmp_path / f"bank-{i}"), Bank.load(tmp_path / "bank", shard=(i, 3))
        assert sorted(own.ids.to_pylist()) == sorted(bank.shard(i, 3).ids.to_pylist())
        with pytest.raises(InputError, match="a prepared shard is scored whole"):
            own.shard(0, 2)
        for kind, part in {"own": own, "of the whole": of_whole, "mixed": own if i else bank.shard(i, 3)}.items():
            path = tmp_path / f"{kind}-{i}.safetensors"
            score_part(Bridge(AB, BC, part), a, c, path, errors=True, progress=False)
            paths[kind].append(path)
    for files in paths.values():
        merged = Parts(files)
        for name in ("scores", "standard_error", "effective_sample_size"):
            assert torch.allclose(gathered(merged, name), getattr(whole, name), rtol=1e-8, atol=1e-11)
    with pytest.raises(InputError, match="parts of 2 banks"):
        Parts([paths["own"][0], *paths["of the whole"][1:]])


def test_only_the_files_of_a_shard_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ucl.core.bank.PART", 40)
    Bank(draw(100, 4)).prepare(AB, BC, tmp_path / "bank", progress=False)
    last = tmp_path / "bank/part-00002.safetensors"
    content = bytearray(last.read_bytes())
    content[-3] ^= 1
    last.write_bytes(content)
    assert len(Bank.load(tmp_path / "bank", shard=(0, 2))) == 50
    for shard in ((1, 2), None):
        with pytest.raises(InputError, match=r"part-00002\.safetensors is damaged"):
            Bank.load(tmp_path / "bank", shard=shard)


def test_wrong_sets_of_parts_are_refused_in_one_line(tmp_path: Path) -> None:
    a, c, bank = draw(7, 4), draw(9, 4, seed=1), Bank(draw(50, 4, seed=2))
    good = written(bank, tmp_path, 3, a, c)

    def other(name: str, bank: Bank = bank, a=a, c=c, **options) -> Path:
        (tmp_path / name).mkdir()
        return written(bank, tmp_path / name, 3, a, c, **options)[2]

    wrong = {
        "33 to 50 are missing": good[:2],
        "0 to 16 are missing": good[1:],
        "0 to 16 come twice": [*good, good[0]],
        "at least one part": [],
        "parts of 2 banks": [*good[:2], other("bank", Bank(draw(50, 4, seed=3)))],
        "the same queries": [*good[:2], other("queries", a=a + 1)],
        "the same candidates": [*good[:2], other("candidates", c=c + 1)],
        "one A-B critic and scale": [*good[:2], other("scale", ab=Cosine(61.0))],
        "has normalised: False": [*good[:2], other("normalised", normalize=False)],
        "has with errors: True": [*good[:2], other("errors", errors=True)],
        "has precision: float32": [*good[:2], other("precision", a=a.float(), c=c.float())],
        r"has grid: \(6, 9\)": [*good[:2], other("grid", a=a[:6])],
        "no such file": [*good[:2], tmp_path / "none"],
    }
    for message, paths in wrong.items():
        with pytest.raises(InputError, match=message) as caught:
            Parts(paths)
        assert len(str(caught.value).splitlines()) == 1
    content = bytearray(good[0].read_bytes())
    content[-100] ^= 1
    good[0].write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        Parts(good)
    (tmp_path / "foreign.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match="holds no bridge result"):
        Parts([tmp_path / "foreign.safetensors"])


def test_tiles_make_the_file_that_the_library_reads(tmp_path: Path) -> None:
    """In any order, with the kinds of numbers that are written, and a name that JSON must escape."""
    random = np.random.default_rng(0)
    arrays = {"x": random.standard_normal((5, 3)), 'é"': random.standard_normal(5), "f": np.float32([[1.5], [2.5]])}
    arrays |= {"n": np.array([2**40]), "b": np.arange(7, dtype=np.uint8), "t": np.array([[True], [False]])}
    with TileWriter(tmp_path / "x", {n: (x.dtype.name, x.shape) for n, x in arrays.items()}, {"about": "it"}) as file:
        for name, values in reversed(arrays.items()):
            for row in reversed(range(len(values))):
                file.put(name, row, values[row : row + 1])
    found = load_file(tmp_path / "x")
    assert {name: x.dtype for name, x in found.items()} == {name: x.dtype for name, x in arrays.items()}
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
