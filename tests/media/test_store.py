"""Stores and batched embedding: round trips, refusals, resumption, failures; the encoder counts bytes, by hand."""

import json
import os
import threading
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ucl.errors import InputError
from ucl.media.base import Encoder, EncoderInfo, MediaError, pair_scale, weights_digest
from ucl.media.embed import embed
from ucl.media.store import Store, merge_stores, read_info, read_store, write_store


def info(**changes):
    facts = {
        "model": "bytes",
        "modality": "audio",
        "width": 3,
        "normalized": False,
        "logit_scale": 2.5,
        "weights_digest": "aa",
    }
    return EncoderInfo(**{**facts, **changes})


class CountBytes(Encoder):
    """Embeds a file as (bytes, zeros, sum of bytes); files that start with `bad` cannot be read."""

    def __init__(self, stop_after: int | None = None, **changes) -> None:
        self.info = info(**changes)
        self.seen: list[str] = []
        self.threads: set[int] = set()
        self.stop_after = stop_after
        self.batches: list[int] = []

    def prepare(self, item):
        self.threads.add(threading.get_ident())
        content = item.read_bytes() if item.exists() else b"bad"
        if content.startswith(b"bad"):
            raise MediaError(item, "starts with bad")
        return item.name, content

    def forward(self, prepared):
        if self.stop_after is not None and len(self.batches) >= self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(len(prepared))
        self.seen += [name for name, _ in prepared]
        return torch.tensor([[len(c), c.count(0), sum(c)] for _, c in prepared], dtype=torch.float32)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("ucl.media.embed.SHARD", 8)


@pytest.fixture
def items(tmp_path: Path) -> dict[str, Path]:
    made = {}
    for i in range(23):
        path = tmp_path / f"clip{i}.bin"
        path.write_bytes(bytes(range(i + 1)))
        made[f"id{i}"] = path
    return made


@settings(max_examples=25)
@given(
    st.integers(0, 20),
    st.integers(1, 9),
    st.booleans(),
    st.one_of(st.none(), st.floats(1e-3, 1e3, allow_subnormal=False)),
)
def test_a_store_comes_back_as_it_was_written(tmp_path_factory, rows, width, normalized, scale):
    path = tmp_path_factory.mktemp("store") / "s.parquet"
    facts = info(width=width, normalized=normalized, logit_scale=scale, modality="text")
    values = torch.randn(rows, width, generator=torch.Generator().manual_seed(rows))
    write_store(Store(facts, [f"ü{i}" for i in range(rows)], values), path)
    back = read_store(path)
    assert back.info == facts == read_info(path)
    assert back.ids == [f"ü{i}" for i in range(rows)]
    assert torch.equal(back.embeddings, values)


def test_the_column_is_a_fixed_size_list_of_float32(tmp_path):
    write_store(Store(info(), ["a"], torch.ones(1, 3)), tmp_path / "s.parquet")
    kind = pq.read_schema(tmp_path / "s.parquet").field("embedding").type
    assert (str(kind.value_type), kind.list_size) == ("float", 3)


def written(path, embedding, ids=("a", "b"), facts=None):
    """A store as another program might write it."""
    table = pa.table({"id": pa.array(ids), "embedding": embedding})
    facts = json.dumps(asdict(info())) if facts is None else facts
    pq.write_table(table.replace_schema_metadata({"ucl.encoder": facts}), path)
    return path


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float16(), 3)])
@pytest.mark.parametrize("ids", [["0", "7"], [0, 7]])
def test_a_store_of_any_kind_of_list_is_read(kind, ids, tmp_path):
    values = np.arange(6, dtype=np.float16).reshape(2, 3)
    store = read_store(written(tmp_path / "s.parquet", pa.array(list(values), kind), ids))
    assert torch.equal(store.embeddings, torch.arange(6.0).reshape(2, 3))
    assert store.ids == ["0", "7"]


@pytest.mark.parametrize(
    ("embedding", "told"),
    [
        ([[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]], r"lists of one length: row 1 of .* holds 4 numbers"),
        ([[1.0] * 6, None], r"row 1 of .* is null"),
        ([[1.0] * 3, [1.0, None, 1.0]], r"row 1 of .* holds a null"),
        ([[1.0, 2.0], [3.0, 4.0]], r"expected \[2, 3\] embeddings \(ids, width\), got \[2, 2\]"),
        ([1.0, 2.0], "must hold lists of floats: got double"),
        ([["a"] * 3] * 2, "must hold lists of floats: got list<element: string>"),
    ],
)
def test_embeddings_are_never_cut_anew(embedding, told, tmp_path):
    """Lists whose numbers add up to the right count are still wrong rows."""
    with pytest.raises(InputError, match=told):
        read_store(written(tmp_path / "s.parquet", pa.array(embedding)))


def test_what_is_no_store_is_told_in_one_line(tmp_path):
    good = pa.array([[1.0] * 3] * 2)
    path = tmp_path / "s.parquet"
    for write, told in [
        (lambda: None, r"s\.parquet: no such file; expected an embedding store"),
        (lambda: path.write_text("x"), r"s\.parquet: not a Parquet file"),
        (lambda: written(path, good, facts="{"), "does not describe an encoder"),
        (lambda: written(path, good, facts="[]"), "does not describe an encoder"),
        (lambda: written(path, good, facts='{"model": "m"}'), "does not describe an encoder"),
        (lambda: written(path, good, ["a", "a"]), "'a' twice"),
        (lambda: written(path, good, ["a", None]), "texts or whole numbers, one a row: got a null"),
        (lambda: written(path, good, [0.5, 1.5]), "texts or whole numbers, one a row: got double"),
        (lambda: pq.write_table(pq.read_table(path).drop(["id"]), path), "cannot read the column id"),
    ]:
        write()
        with pytest.raises(InputError, match=told) as caught:
            read_store(path)
        assert "\n" not in str(caught.value)


def test_a_store_that_still_has_gradients_is_written(tmp_path):
    values = torch.arange(3.0).reshape(1, 3).requires_grad_()
    write_store(Store(info(), ["a"], values), tmp_path / "id=3" / "s.parquet")
    assert torch.equal(read_store(tmp_path / "id=3" / "s.parquet").embeddings, values.detach())


@pytest.mark.parametrize(
    ("ids", "values", "told"),
    [
        (["a", "b"], torch.ones(1, 3), r"expected \[2, 3\]"),
        (["a", "a"], torch.ones(2, 3), "'a' twice"),
        (["a", "b"], torch.tensor([[0.0, 1, 2], [0, float("nan"), 1]]), "row 'b'"),
    ],
)
def test_a_wrong_store_is_refused(ids, values, told):
    with pytest.raises(InputError, match=told):
        Store(info(), ids, values)


@pytest.mark.parametrize(
    "changes", [{"model": "other"}, {"weights_digest": "bb"}, {"logit_scale": 3.0}, {"modality": "text"}]
)
def test_stores_of_different_models_do_not_mix(changes):
    one = Store(info(), ["a"], torch.ones(1, 3))
    other = Store(info(**changes), ["b"], torch.ones(1, 3))
    with pytest.raises(InputError, match=f"do not mix: got {next(iter(changes))}"):
        merge_stores([one, other])


def test_select_takes_rows_by_id_and_names_the_missing():
    store = Store(info(), ["a", "b", "c"], torch.arange(9.0).reshape(3, 3))
    assert torch.equal(store.select(["c", "a"]).embeddings, torch.tensor([[6.0, 7, 8], [0, 1, 2]]))
    with pytest.raises(InputError, match="no embedding of 'd'"):
        store.select(["a", "d"])


def test_the_scale_of_a_pair():
    image, text, audio = (
        info(modality="image", logit_scale=None),
        info(modality="text", logit_scale=14.0),
        info(modality="audio", logit_scale=20.0),
    )
    assert pair_scale(image, text) == 14
    assert pair_scale(audio, image) == 20
    assert pair_scale(audio, info(modality="text", logit_scale=20.0)) == 20
    with pytest.raises(InputError, match="not trained on that pair"):
        pair_scale(text, audio)
    with pytest.raises(InputError, match="two encoders of one model"):
        pair_scale(image, info(modality="text", weights_digest="zz"))


def test_the_digest_follows_the_weights_and_nothing_else():
    layers = [nn.Linear(3, 2) for _ in range(2)]
    assert weights_digest(layers[0]) != weights_digest(layers[1])
    layers[1].load_state_dict(layers[0].state_dict())
    assert weights_digest(layers[0]) == weights_digest(layers[1])
    before = weights_digest(layers[0])
    with torch.no_grad():
        layers[0].bias[0] = torch.nextafter(layers[0].bias[0], torch.tensor(9.0))
    assert weights_digest(layers[0]) != before


def test_embedding_matches_a_plain_loop_and_uses_threads(items, tmp_path):
    encoder = CountBytes()
    store, failures = embed(encoder, items, shards=tmp_path / "s", batch=4, progress=False)
    expected = [[i + 1, 1, i * (i + 1) / 2] for i in range(23)]
    assert np.array_equal(store.embeddings.numpy(), np.array(expected, np.float32))
    assert store.ids == list(items)
    assert failures.empty
    assert encoder.batches == [4, 4, 4, 4, 4, 3]
    assert threading.get_ident() not in encoder.threads
    assert torch.equal(encoder.encode(list(items.values())), store.embeddings)


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(items, tmp_path):
    whole, _ = embed(CountBytes(), items, shards=tmp_path / "whole", batch=4, progress=False)
    with pytest.raises(KeyboardInterrupt):
        embed(CountBytes(stop_after=3), items, shards=tmp_path / "s", batch=4, progress=False)
    second = CountBytes()
    store, _ = embed(second, items, shards=tmp_path / "s", batch=4, progress=False)
    assert "clip0.bin" not in second.seen
    assert len(second.seen) == 15
    assert torch.equal(store.embeddings, whole.embeddings)
    assert store.ids == whole.ids
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "s" / path.name).read_bytes() == path.read_bytes()


def test_a_changed_file_or_other_weights_are_embedded_again(items, tmp_path):
    kwargs = {"shards": tmp_path / "s", "batch": 4, "progress": False}
    embed(CountBytes(), items, **kwargs)
    items["id9"].write_bytes(b"\x05" * 10)
    os.utime(items["id9"], ns=(1, 1))
    again = CountBytes()
    store, _ = embed(again, items, **kwargs)
    assert len(again.seen) == 8
    assert store.select(["id9"]).embeddings.tolist() == [[10, 0, 50]]
    other = CountBytes(weights_digest="bb")
    embed(other, items, **kwargs)
    assert len(other.seen) == 23


def test_unreadable_items_are_recorded_and_do_not_stop_the_run(items, tmp_path):
    items["id3"].write_bytes(b"bad")
    items["id22"].write_bytes(b"bad")
    kwargs = {"shards": tmp_path / "s", "batch": 4, "max_failed": 0.1, "progress": False}
    for _ in range(2):  # the second call reads the shards
        store, failures = embed(CountBytes(), items, **kwargs)
        assert len(store.ids) == 21
        assert failures.to_dict("records") == [
            {"id": name, "path": str(items[name]), "reason": "starts with bad"} for name in ("id3", "id22")
        ]


def test_what_a_model_makes_no_numbers_of_does_not_stop_the_run(items, tmp_path):
    class Overflows(CountBytes):
        def forward(self, prepared):
            rows = super().forward(prepared)
            return torch.where(rows[:, :1] == 5, torch.tensor([1.0, float("nan"), 2.0]), rows)  # clip4, of five bytes

    items["id3"].write_bytes(b"bad")
    store, failures = embed(Overflows(), items, shards=tmp_path / "s", batch=4, max_failed=0.1, progress=False)
    assert failures["id"].tolist() == ["id3", "id4"]
    assert failures["reason"].tolist() == ["starts with bad", "the model makes NaN or infinity of it"]
    assert store.ids == [name for name in items if name not in ("id3", "id4")]
    assert store.select(["id5"]).embeddings.tolist() == [[6, 1, 15]]


def test_a_whole_shard_may_fail(items, tmp_path):
    for i in range(8, 16):
        items[f"id{i}"].write_bytes(b"bad")
    store, failures = embed(CountBytes(), items, shards=tmp_path / "s", batch=4, max_failed=0.5, progress=False)
    assert len(failures) == 8
    assert len(store.ids) == 15


def test_too_many_failures_stop_the_run_early(items, tmp_path):
    for path in list(items.values())[:6]:
        path.write_bytes(b"bad")
    encoder = CountBytes()
    with pytest.raises(InputError, match=r"3 of 23 items .* share of 0\.1; first: .*clip0.bin: starts with bad"):
        embed(encoder, items, shards=tmp_path / "s", batch=3, max_failed=0.1, progress=False)
    assert len(encoder.seen) == 0


def test_a_bug_in_the_encoder_is_not_taken_for_a_corrupt_file(items, tmp_path):
    class Broken(CountBytes):
        def prepare(self, item):
            raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        embed(Broken(), items, shards=tmp_path / "s", batch=3, progress=False)


def test_no_items_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no items"):
        embed(CountBytes(), {}, shards=tmp_path / "s", batch=3, progress=False)


def test_the_allowed_share_is_meant_exactly(items, tmp_path):
    for name in list(items)[:7]:
        items[name].write_bytes(b"bad")
    kwargs = {"shards": tmp_path / "s", "batch": 4, "progress": False}
    assert len(embed(CountBytes(), items, max_failed=7 / 23, **kwargs)[1]) == 7
    with pytest.raises(InputError, match="7 of 23"):
        embed(CountBytes(), items, max_failed=6.9 / 23, **kwargs)
