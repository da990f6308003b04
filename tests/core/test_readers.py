"""Files of embeddings as other libraries write them, and what is refused; the oracle is the array that was written."""

import os
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from bridge_oracle import truth
from safetensors.numpy import save_file

from ucl import Bank, Bridge, Cosine, InputError
from ucl.core.fingerprint import ChangedError
from ucl.core.parquet import ParquetRows
from ucl.core.readers import as_rows, concatenate, rows_between

N, D = 23, 4


def draw(n=N, d=D, seed=0, kind="f4"):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(kind)


def lists(x, item=None, kind=pa.list_):
    """An Arrow array with a list per row."""
    return pa.array(list(x), kind(item or pa.from_numpy_dtype(x.dtype)))


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=7)
    return path


def told(call):
    """The one line of the error that `call` must raise."""
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def whole(source, name="x"):
    rows = as_rows(source, name)
    return rows.read(0, len(rows)).numpy()


@pytest.mark.parametrize("item", ["f2", "f4", "f8"])
@pytest.mark.parametrize(
    "kind",
    [pa.list_, pa.large_list, lambda item: pa.list_(item, D), pa.list_view, pa.large_list_view],
    ids=["list", "large_list", "fixed_size_list", "list_view", "large_list_view"],
)
def test_every_kind_of_list_is_an_embedding_beside_other_columns(tmp_path, kind, item) -> None:
    """As pandas, polars (large_list, fixed_size_list) and datasets (list, large_list) write them."""
    x = draw(kind=item)
    path = parquet(
        tmp_path / "x.parquet",
        duration=draw(d=1)[:, 0],
        tags=[["rain", "wind"]] * N,
        embedding=lists(x, kind=kind),
        score=draw(d=1, kind="f8")[:, 0],
    )
    found = whole(path)
    assert found.dtype == (np.float64 if item == "f8" else np.float32)
    assert np.array_equal(found, x.astype(found.dtype))


def test_a_table_of_floats_leaves_out_id_and_the_index(tmp_path) -> None:
    x = draw()
    frame = pd.DataFrame(x, columns=list("wxyz"))
    frame.index = pd.Index(draw(d=1)[:, 0], name="time")
    frame.to_parquet(tmp_path / "named.parquet")
    frame.index.name = None
    frame.to_parquet(tmp_path / "unnamed.parquet")
    frame.assign(id=np.arange(N) + 0.5).to_parquet(tmp_path / "id.parquet", index=False)
    for name in ("named", "unnamed", "id"):
        assert np.array_equal(whole(tmp_path / f"{name}.parquet"), x), name


def test_a_table_without_an_embedding_is_refused(tmp_path) -> None:
    """A float column beside texts is a duration or a score; a list of texts is no embedding."""
    path, floats = tmp_path / "x.parquet", draw(d=1)[:, 0]
    for columns, held in [
        ({"text": ["a"] * N, "duration": floats}, "text (string), duration (float)"),
        ({"embedding": [[1, 2]] * N, "duration": floats}, "embedding (list<element: int64>), duration (float)"),
        ({"tags": [["a"]] * N}, "tags (list<element: string>)"),
        ({"embedding": [b"abcd"] * N, "score": floats}, "embedding (binary), score (float)"),
        ({"embedding": [[[0.5]]] * N, "score": floats}, "score (float)"),
        ({"id": np.arange(N)}, "no column"),
    ]:
        parquet(path, **columns)
        line = told(lambda: as_rows(path, "a"))
        assert "holds no embedding: expected a column of lists of floats, or floating-point columns alone" in line
        assert held in line


def test_a_named_column_must_be_there_and_hold_lists_of_floats(tmp_path) -> None:
    x, y = draw(), draw(seed=1)
    path = parquet(tmp_path / "x.parquet", text=["a"] * N, one=lists(x), two=lists(y), size=draw(d=1)[:, 0])
    assert np.array_equal(whole(f"{path}:two"), y)
    assert "holds several embeddings (one, two); name one, as in FILE:one" in told(lambda: as_rows(path, "a"))
    assert "has no column three" in told(lambda: as_rows(f"{path}:three", "a"))
    for name, kind in (("text", "string"), ("size", "float")):
        assert f"column {name} must hold lists of floats: got {kind}" in told(
            lambda n=name: as_rows(f"{path}:{n}", "a")
        )
    pq.write_table(pa.Table.from_arrays([lists(x), lists(y)], ["one", "one"]), path)
    assert "two columns of one name" in told(lambda: as_rows(f"{path}:one", "a"))
    pq.write_table(pa.Table.from_arrays([pa.array(x[:, 0])] * 2, ["x", "x"]), path)
    assert "two columns of one name" in told(lambda: as_rows(path, "a"))


def written_in_groups(path, groups, kind):
    schema = pa.schema({"embedding": kind})
    with pq.ParquetWriter(path, schema) as writer:
        for group in groups:
            writer.write_table(pa.table({"embedding": pa.array(group, kind)}, schema))
    return path


def test_row_groups_may_be_empty_anywhere(tmp_path) -> None:
    x = draw().tolist()
    path = tmp_path / "x.parquet"
    for groups in ([[], x], [x[:9], [], x[9:]], [[], x[:1], [], [], x[1:], []]):
        rows = as_rows(written_in_groups(path, groups, pa.list_(pa.float32())), "a")
        assert np.array_equal(rows.read(0, N).numpy(), draw())
        assert np.array_equal(rows.read(5, 14).numpy(), draw()[5:14])
    for groups in ([], [[]], [[], []]):
        assert "must not be empty" in told(
            lambda g=groups: as_rows(written_in_groups(path, g, pa.list_(pa.float32())), "a")
        )


def test_a_wrong_row_is_told_by_its_number_in_the_file(tmp_path) -> None:
    x = draw().tolist()
    path = tmp_path / "x.parquet"
    for place in (0, 3, 9, 22):
        for value, words in [
            (None, f"row {place} of {path} is null"),
            ([*x[place][:2], None, 1.0], f"row {place} of {path} holds a null"),
            ([*x[place][:2], float("nan"), 1.0], f"row {place} holds NaN; remove the row from {path}"),
            ([*x[place][:2], float("-inf"), 1.0], f"row {place} holds infinity; remove the row from {path}"),
        ]:
            bad = [*x[:place], value, *x[place + 1 :]]
            written_in_groups(path, [bad[:9], bad[9:]], pa.list_(pa.float32()))
            assert words in told(lambda: whole(path))
    other = [*x[:20], [1.0] * 3, *x[21:]]
    written_in_groups(path, [other[:9], other[9:]], pa.list_(pa.float32()))
    assert f"row 20 of {path} holds 3 numbers, the rows before it 4" in told(lambda: whole(path))
    written_in_groups(path, [x, [row[:3] for row in x]], pa.list_(pa.float32()))
    assert f"row 23 of {path} holds 3 numbers, the rows before it 4" in told(lambda: whole(path))
    parquet(path, x=pa.array([1.0] * 8 + [None] + [1.0] * 14))
    assert f"row 8 of {path} is null" in told(lambda: whole(path))


def test_nan_in_a_file_is_told_by_the_library(tmp_path) -> None:
    """As queries, as candidates and on either side of a bank, whatever the file."""
    sides = {"a": draw(), "c": draw(seed=1), "bank.for_a": draw(60, seed=2), "bank.for_c": draw(60, seed=3)}
    for name, x in sides.items():
        bad = x.copy()
        bad[17, 2] = np.nan
        np.save(tmp_path / "x.npy", bad)
        np.savez(tmp_path / "x.npz", x=bad)
        save_file({"x": bad}, tmp_path / "x.safetensors")
        parquet(tmp_path / "x.parquet", x=lists(bad))
        paths = [tmp_path / f"x.{form}" for form in ("npy", "npz", "safetensors", "parquet")]
        for source, path in [*((path, path) for path in paths), (np.load(paths[0], mmap_mode="r"), paths[0])]:
            given = {**sides, name: source}
            line = told(
                lambda given=given: Bridge(
                    Cosine(5.0), Cosine(5.0), Bank(given["bank.for_a"], given["bank.for_c"]), normalize=False
                ).score(given["a"], given["c"], progress=False)
            )
            assert line == f"{name} must be finite: row 17 holds NaN; remove the row from {path} or embed it again"


def saved_with_ids(folder, form, name, x, ids):
    path = folder / f"{name}.{form}"
    if form == "npz":
        np.savez(path, id=np.array(ids), x=x)
    elif form == "safetensors":
        save_file({"id": np.array(ids), "x": x}, path)
    else:
        parquet(path, id=ids, x=lists(x))
    return path


@pytest.mark.parametrize(
    ("form", "strings"),
    [("parquet", True), ("parquet", False), ("npz", True), ("npz", False), ("safetensors", False)],
)
def test_two_files_are_joined_by_id(tmp_path, form, strings) -> None:
    ids = [f"t{i}" for i in range(60)] if strings else list(range(100, 160))
    order = np.random.default_rng(5).permutation(60)
    for_a, for_c, a, c = draw(60), draw(60, 3, seed=1), draw(5, seed=2), draw(6, 3, seed=3)
    one = saved_with_ids(tmp_path, form, "one", for_a, ids)
    two = saved_with_ids(tmp_path, form, "two", for_c[order], [ids[i] for i in order])
    bank = Bank(one, two)
    assert np.array_equal(bank.for_c.read(0, 60).numpy(), for_c)
    assert np.array_equal(bank.for_c.read(13, 31).numpy(), for_c[13:31])
    assert np.array_equal(bank.between(10, 50).for_c.read(5, 9).numpy(), for_c[15:19])
    found = Bridge(Cosine(20.0), Cosine(10.0), bank, normalize=False).score(a, c, progress=False).scores
    expected = truth(Cosine(20.0), Cosine(10.0), *map(torch.from_numpy, (a, c, for_a, for_c)))
    assert np.abs(found - expected.numpy()).max() <= 5e-7 * 30
    bad = for_c.copy()
    bad[order[7], 1] = np.inf
    two = saved_with_ids(tmp_path, form, "two", bad[order], [ids[i] for i in order])
    assert "row 7 holds infinity; remove the row from" in told(lambda: Bank(one, two).for_c.read(0, 60))


def test_a_file_in_another_order_is_decoded_once(tmp_path, monkeypatch) -> None:
    ids, x, y = [f"t{i}" for i in range(N)], draw(), draw(seed=1)
    one = saved_with_ids(tmp_path, "parquet", "one", x, ids)
    bank = Bank(one, saved_with_ids(tmp_path, "parquet", "two", y[::-1], ids[::-1]))
    decoded: list[int] = []
    decode = ParquetRows._decode
    monkeypatch.setattr(ParquetRows, "_decode", lambda self, *args: decoded.append(args[0]) or decode(self, *args))
    for _ in range(3):
        for start in range(N):
            assert np.array_equal(bank.for_c.read(start, start + 1).numpy(), y[start : start + 1])
    assert decoded == [1, 2, 3]  # the first of four row groups is decoded when the file is opened

    monkeypatch.setattr("tempfile.TemporaryFile", lambda: open("/dev/full", "wb"))  # noqa: PTH123, SIM115
    bank = Bank(one, tmp_path / "two.parquet")
    assert "no room for the rows of" in told(lambda: bank.for_c.read(0, 3))


def test_ids_join_between_kinds_of_files_and_ways_of_writing(tmp_path) -> None:
    x, y, ids = draw(), draw(seed=1), [f"t{i}" for i in range(N)]
    one = saved_with_ids(tmp_path, "npz", "one", x, ids)
    back = pa.array(ids[::-1])
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        two = parquet(tmp_path / "two.parquet", id=back.cast(kind), x=lists(y[::-1]))
        assert np.array_equal(Bank(one, two).for_c.read(0, N).numpy(), y), kind
    small = parquet(tmp_path / "small.parquet", id=pa.array(range(N), pa.int16()), x=lists(x))
    large = parquet(tmp_path / "large.parquet", id=pa.array(range(N)[::-1], pa.uint32()), x=lists(y[::-1]))
    assert np.array_equal(Bank(small, large).for_c.read(0, N).numpy(), y)
    frame = pd.DataFrame({"x": list(y[::-1])}, index=pd.Index(ids[::-1], name="id"))
    frame.to_parquet(tmp_path / "frame.parquet")
    assert np.array_equal(Bank(one, tmp_path / "frame.parquet").for_c.read(0, N).numpy(), y)


def test_files_without_ids_or_in_one_order_are_read_as_they_stand(tmp_path) -> None:
    x, y, ids = draw(), draw(seed=1), ["same"] * N
    one = saved_with_ids(tmp_path, "parquet", "one", x, ids)
    two = saved_with_ids(tmp_path, "parquet", "two", y, ids)
    plain = parquet(tmp_path / "plain.parquet", x=lists(y))
    for source in (two, plain, y):
        assert np.array_equal(Bank(one, source).for_c.read(0, N).numpy(), y)


def test_ids_that_do_not_match_are_told_in_one_line(tmp_path) -> None:
    x, ids = draw(), [f"t{i}" for i in range(N)]
    one = saved_with_ids(tmp_path, "parquet", "one", x, ids)
    two = tmp_path / "two.parquet"
    for other, words in [
        ([*ids[:-1], "t99"], f"id 't22' of {one} is not in {two} (1 missing); embed the same samples"),
        ([f"u{i}" for i in range(N)], f"id 't0' of {one} is not in {two} (23 missing)"),
        ([ids[1], *ids[1:]], f"'t1' stands twice in {two}"),
        ([None, *ids[1:]], f"row 0 of {two} has none"),
        (list(range(N)), "ids of one kind to be joined: got large_string and int64"),
        ([[i] for i in ids], f"`id` of {two} must be one id a row: got 23 of list"),
    ]:
        parquet(two, id=other, x=lists(x))
        assert words in told(lambda: Bank(one, two))
    saved_with_ids(tmp_path, "parquet", "two", draw(N + 1), [*ids, "more"])
    assert f"id 'more' of {two} is not in {one} (1 missing)" in told(lambda: Bank(one, two))
    archive = saved_with_ids(tmp_path, "npz", "two", x, ids[:-1])
    assert f"`id` of {archive} must be one id a row: got 22" in told(lambda: Bank(one, archive))
    np.savez(archive, x=x, id=np.array(ids, object))
    assert f"cannot read `id` of {archive}: Object arrays" in told(lambda: Bank(one, archive))


def test_one_parquet_bank_is_scored_from_several_threads(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ucl.core.scores.BLOCK_ROWS", (64, 64))
    for_a, for_c, a, c = draw(2000), draw(2000, seed=1), draw(6, seed=2), draw(7, seed=3)
    bank = Bank(parquet(tmp_path / "one.parquet", x=lists(for_a)), parquet(tmp_path / "two.parquet", x=lists(for_c)))
    expected = truth(Cosine(20.0), Cosine(10.0), *map(torch.from_numpy, (a, c, for_a, for_c))).numpy()
    wrong: list[object] = []

    def score() -> None:
        try:
            found = Bridge(Cosine(20.0), Cosine(10.0), bank, normalize=False).score(a, c, progress=False).scores
            wrong.extend([] if np.abs(found - expected).max() <= 5e-7 * 30 else ["other scores"])
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=score) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_several_files_below_one_another_are_taken_from_by_row_number(tmp_path) -> None:
    x = draw(n=60)
    np.save(tmp_path / "x.npy", x)
    parquet(tmp_path / "x.parquet", x=lists(x))
    parts = [rows_between(as_rows(tmp_path / "x.npy", "a"), 5, 17), as_rows(tmp_path / "x.parquet", "b")]
    held = concatenate([*parts, rows_between(concatenate(parts), 10, 14)])
    expected = np.concatenate([x[5:17], x, np.concatenate([x[5:17], x])[10:14]])
    index = np.random.default_rng(1).integers(0, len(expected), 200)
    assert np.array_equal(held.take(index).numpy(), expected[index])
    assert np.array_equal(held.read(0, len(held)).numpy(), expected)


@pytest.mark.parametrize(("start", "stop"), [(0, N), (7, 14), (3, 9), (20, N), (13, 14)])
def test_ids_of_some_rows_are_read_without_the_others(tmp_path, start, stop) -> None:
    ids = [f"row {i}" for i in range(N)]
    parquet(tmp_path / "x.parquet", id=ids, x=lists(draw()))
    np.savez(tmp_path / "x.npz", id=np.array(ids), x=draw())
    for name in ("x.parquet", "x.npz:x"):
        assert as_rows(tmp_path / name, "x").ids_between(start, stop).to_pylist() == ids[start:stop]
    np.save(tmp_path / "x.npy", draw())
    assert as_rows(tmp_path / "x.npy", "x").ids_between(start, stop) is None


def test_arrays_that_are_more_than_their_numbers_are_refused() -> None:
    x = draw()
    assert "must have no mask: got a masked array" in told(lambda: as_rows(np.ma.masked_less(x, 0), "a"))
    assert "must be a dense tensor: got sparse_coo" in told(lambda: as_rows(torch.tensor(x).to_sparse(), "a"))


def test_a_name_of_an_array_belongs_to_files_that_have_names(tmp_path) -> None:
    np.save(tmp_path / "a.npy", draw())
    assert "is one array without a name: got :foo; leave it out" in told(lambda: as_rows(f"{tmp_path}/a.npy:foo", "a"))
    np.save(tmp_path / "a:foo.npy", draw())  # a name with a colon of its own
    assert np.array_equal(whole(tmp_path / "a:foo.npy"), draw())
    np.savez(tmp_path / "a.npz", id=np.arange(N))
    assert "holds no array of rows" in told(lambda: as_rows(tmp_path / "a.npz", "a"))


def test_only_regular_files_are_read(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    for name in ("pipe.npy", "folder.parquet", "zero.npz", "zero.npz:x"):
        assert "not a regular file but a folder, pipe or device" in told(lambda n=name: as_rows(f"{tmp_path}/{n}", "a"))
    for name in ("gone.npy", "a\0.npy", "gone.npy/b.npy", "n" * 300 + ".npy", ""):
        assert told(lambda n=name: as_rows(n, "a")).endswith("give a .npy, .npz, .safetensors or .parquet file")


def test_columns_of_floats_in_another_order_than_the_bank_are_refused(tmp_path) -> None:
    """Compared by position, they gave a score of other dimensions; a prepared bank remembers its columns."""
    x, bank = draw(), draw(40, seed=1)
    turned = parquet(tmp_path / "turned.parquet", **{f"d{i}": x[:, i] for i in (1, 0, 2, 3)})
    alike = parquet(tmp_path / "alike.parquet", **{f"d{i}": x[:, i] for i in range(D)})
    table = Bank(parquet(tmp_path / "bank.parquet", **{f"d{i}": bank[:, i] for i in range(D)}))
    critic = Cosine(4.0)
    for held in (table, table.prepare(critic, critic, tmp_path / "bank", progress=False), table.shard(0, 2)):
        bridge = Bridge(critic, critic, held)
        assert "must have their columns in one order: column 0 is d1" in told(lambda b=bridge: b.score(turned, x))
        assert "column 0 is d1" in told(lambda b=bridge: b.score(x, turned))
        bridge.score(alike, x)


def test_ids_of_an_archive_are_those_of_the_rows_that_were_read(tmp_path) -> None:
    path, x = tmp_path / "x.npz", draw()
    np.savez(path, x=x, id=np.arange(N))
    rows = as_rows(path, "x")
    np.savez(path, x=x[::-1], id=np.arange(N)[::-1])
    assert rows.ids().to_pylist() == list(range(N))
    assert np.array_equal(rows.read(0, N).numpy(), x)


def test_a_view_of_turned_sign_is_scored() -> None:
    x = torch.from_numpy(draw())
    turned = torch._neg_view(x)
    bridge = Bridge(Cosine(4.0), Cosine(3.0), Bank(turned))
    assert torch.equal(bridge.score(turned, x).scores, Bridge(bridge.ab, bridge.bc, Bank(-x)).score(-x, x).scores)


@pytest.mark.parametrize("suffix", ["npy", "safetensors", "parquet"])
def test_a_file_that_is_cut_short_while_it_is_open_is_told(tmp_path, suffix) -> None:
    """Memory that is mapped beyond the end of its file would end the process."""
    write = {
        "npy": lambda path, rows: np.save(path, rows),
        "safetensors": lambda path, rows: save_file({"x": rows}, path),
        "parquet": lambda path, rows: pq.write_table(pa.table({"x": list(rows)}), path),
    }[suffix]
    path, rows = tmp_path / f"bank.{suffix}", np.random.default_rng(0).normal(size=(5000, 8)).astype("float32")
    write(path, rows)
    open_ = as_rows(str(path), "bank")
    assert torch.equal(open_.read(4000, 5000), torch.from_numpy(rows[4000:]))
    content = path.read_bytes()
    with path.open("r+b") as file:  # in place, as `open(path, "wb")` writes
        file.truncate(100)
    with pytest.raises(ChangedError, match="was written to while it was open: open it again"):
        open_.read(4000, 5000)
    other = tmp_path / "other"
    other.write_bytes(content)
    other.replace(path)  # another file in its place: whoever opens it gets that
    assert torch.equal(as_rows(str(path), "bank").read(0, 5000), torch.from_numpy(rows))
