"""Retrieval through a bank against brute force, on stores whose answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ucl.errors import InputError
from ucl.experiments.bridging import gallery, scoring, summary
from ucl.experiments.bridging import suite as suites
from ucl.experiments.bridging.figures import draw_tables
from ucl.media.base import EncoderInfo
from ucl.media.store import Store, write_store
from ucl.runtime import generator
from ucl.statistics import retrieval

LABELS = 10
DIMS = {"image_text": 12, "audio_text": 14, "audio_image": 12, "joint_text": 12, "joint_image": 12, "joint_audio": 12}


def make_items(images: int = 60, clips: int = 40, phrases: int = 30) -> pd.DataFrame:
    """The first ten of each modality form the bank, the rest is tested; the last phrases name no label."""
    frames = []
    for modality, count in (("image", images), ("audio", clips), ("text", phrases)):
        frame = pd.DataFrame({"id": [f"{modality}_{i}" for i in range(count)], "modality": modality})
        frame["label"] = [str(i % LABELS) for i in range(count)]
        frame["bank"] = [modality == "text" or i < LABELS for i in range(count)]
        frame["split"] = ["train" if i < LABELS else "test" for i in range(count)]
        frame["source"] = "made"
        frames.append(frame)
    items = pd.concat(frames, ignore_index=True)
    items.loc[items["id"].isin([f"text_{i}" for i in range(phrases - 3, phrases)]), "label"] = None
    return items


def make_suite(noise: float = 0.1, scale: float = 9.0) -> suites.Suite:
    """Every model lays the ten labels on ten orthogonal axes of its own; items are near their label's axis."""
    items = make_items()
    stores = {}
    for model, width in DIMS.items():
        axes = torch.linalg.qr(torch.randn(width, width, generator=generator(len(model), width, ord(model[-1]))))[0]
        pairs = {"joint_text": "image audio text", "joint_image": "image audio text", "joint_audio": "image audio text"}
        middle = model.removeprefix("joint_") if model.startswith("joint") else None
        for modality in pairs.get(model, model.replace("_", " ")).split():
            part = items[items["modality"] == modality]
            at = torch.tensor(part["label"].fillna("0").astype(int).to_numpy().copy())
            draws = generator(len(part), width, ord(modality[0]))
            rows = axes[at] + noise * torch.randn(len(part), width, generator=draws)
            own = None if modality == middle else scale
            info = EncoderInfo(model, modality, width, True, own, weights_digest=model)
            stores[model, modality] = Store(info, part["id"].tolist(), torch.nn.functional.normalize(rows, dim=-1))
    return suites.Suite(items, stores)


@pytest.fixture(scope="module")
def suite():
    return make_suite()


def test_tasks_name_their_models():
    task = suites.TASKS[0]
    assert (task.name, task.first, task.second) == ("audio_to_image", "audio_text", "image_text")
    assert (task.joint, task.truth) == ("joint_text", "audio_image")
    for task in suites.TASKS:  # nobody in the bridge or the joint model has seen what the task asks for
        assert task.truth not in (task.first, task.second)
        assert {task.query, task.middle, task.candidate} == {"audio", "image", "text"}
    assert len({task.name for task in suites.TASKS}) == 6


def test_monte_carlo_scores_are_the_log_mean_over_the_bank(suite):
    """Written out item by item, in float64, with both learned scales."""
    task = suites.TASKS[0]
    (scores,) = scoring.scores_of(suite, task, "monte_carlo_disparate")
    queries, candidates = suite.tested("audio")["id"].tolist(), suite.tested("image")["id"].tolist()
    row = {key: dict(zip(store.ids, store.embeddings.double(), strict=True)) for key, store in suite.stores.items()}
    for i, j in ((0, 0), (3, 17), (29, 49)):
        terms = [
            9.0 * row["audio_text", "audio"][queries[i]] @ row["audio_text", "text"][text]
            + 9.0 * row["image_text", "image"][candidates[j]] @ row["image_text", "text"][text]
            for text in suite.bank_ids("text")
        ]
        expected = np.log(np.mean(np.exp([float(term) for term in terms])))
        assert float(scores[i, j]) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("left_out", ["joint_image", "audio_text"])
def test_banks_in_shards_are_banks_in_one_piece(suite, tmp_path, left_out):
    part = suites.Suite(suite.items, {key: store for key, store in suite.stores.items() if key[0] != left_out})
    for i in range(3):
        scoring.score_shard(part, (i, 3), tmp_path / str(i))
    merged = scoring.merge_shards([tmp_path / str(i) for i in range(3)])
    whole = {
        (task.name, method): found[0]
        for task in suites.TASKS
        for method in scoring.MONTE_CARLO
        if (found := list(scoring.scores_of(part, task, method)))
    }
    assert set(merged) == set(whole)
    assert all((merged[key] - whole[key]).abs().max() < 2 * 5e-7 * 18 for key in whole)
    for evaluate in (
        lambda merged: scoring.evaluate(part, [10], draws=2, seed=0, merged=merged),
        lambda merged: scoring.evaluate_bank_sizes(part, [4], 10, bank_draws=2, draws=2, seed=0, merged=merged),
    ):
        pd.testing.assert_frame_equal(evaluate(merged), evaluate(None))
    lowered = {key: -scores for key, scores in merged.items()}  # that they are what is ranked
    assert not scoring.evaluate(part, [10], 2, 0, lowered).equals(scoring.evaluate(part, [10], 2, 0, merged))


def test_a_student_of_the_bank_finds_what_the_bridge_finds(suite):
    task, more = suites.TASKS[0], suite.items.copy()
    more.loc[more["modality"].ne("text") & more.index.to_series().mod(2).eq(0), "split"] = "train"
    enough = suites.Suite(more, suite.stores)
    (scores,) = scoring.scores_of(enough, task, "distilled_disparate", distil_steps=60)
    wanted, found = enough.tested("audio")["label"], enough.tested("image")["label"].to_numpy()
    assert scores.shape == (len(wanted), len(found))
    best = found[scores.argmax(1).numpy()]
    assert (best == wanted.to_numpy()).mean() > 0.8
    assert not list(scoring.scores_of(suite, task, "distilled_disparate"))  # ten items of a side: too few


def test_scales_enter_the_scores(suite):
    quiet = make_suite(scale=1.0)
    (loud,), (soft,) = (scoring.scores_of(s, suites.TASKS[0], "monte_carlo_disparate") for s in (suite, quiet))
    assert float(loud.std()) > 3 * float(soft.std())


def test_the_bridge_finds_what_direct_comparison_of_unlike_spaces_cannot(suite):
    table = scoring.evaluate(suite, [10, 20], draws=6, seed=0)
    hit = table[table["candidates"] == 10].set_index(["task", "method"])["recall_at_1"]
    for task in suites.TASKS:
        assert hit[task.name, "monte_carlo_disparate"] > 0.95
        assert hit[task.name, "direct_joint"] > 0.95
        assert hit[task.name, "ground_truth"] > 0.95
    assert hit["audio_to_image", "direct_disparate"] == pytest.approx(0.1, abs=0.06)
    assert (table["recall_at_10"][table["candidates"] == 10] == 1).all()
    assert set(table[table["method"] == scoring.PAIRED]["through"]) == {"audio"}


def test_methods_without_models_are_left_out(suite):
    part = {key: store for key, store in suite.stores.items() if key[0] in ("image_text", "audio_text")}
    table = scoring.evaluate(suites.Suite(suite.items, part), [10], draws=2, seed=0)
    assert set(table["method"]) == {"direct_disparate", "monte_carlo_disparate", "ground_truth"}
    assert set(table.loc[table["method"] == "ground_truth", "task"]) == {
        "image_to_text", "text_to_image", "audio_to_text", "text_to_audio"
    }  # fmt: skip


def test_an_isometry_keeps_all_angles():
    a, c = torch.randn(5, 4, generator=generator(0)), torch.randn(6, 9, generator=generator(1))
    for first, second in (((a, c)), ((c, a))):
        pairs = list(scoring._in_one_space(first, second, seed=0))
        assert len(pairs) == scoring.ISOMETRIES
        for x, y in pairs:
            assert x.shape[1] == y.shape[1] == 9
            assert torch.allclose(x @ x.mT, first @ first.mT, atol=1e-4)
            assert torch.allclose(y @ y.mT, second @ second.mT, atol=1e-4)
    (same,) = scoring._in_one_space(a, a, seed=0)
    assert same == (a, a)


# --- candidates and recall ---


@given(
    labels=st.lists(st.sampled_from("abcdef"), min_size=12, max_size=40),
    size=st.integers(2, 8),
    seed=st.integers(0, 1000),
)
def test_candidate_sets_hold_one_right_answer_and_even_others(labels, size, seed):
    queries = sorted(set(labels))
    sets = retrieval.candidate_sets(queries, labels, size, generator(seed))
    if sets is None:
        assert any(len(labels) - labels.count(label) < size - 1 for label in queries)
        return
    for label, chosen in zip(queries, sets.tolist(), strict=True):
        found = [labels[i] for i in chosen]
        assert len(set(chosen)) == size
        assert found[0] == label
        assert label not in found[1:]
        others = {other: found.count(other) for other in set(labels) - {label}}
        for one, count in others.items():  # one more than another only where the other has no more to give
            for other, fewer in others.items():
                assert count - fewer <= 1 or labels.count(other) == fewer, (one, other)


def test_a_label_without_candidates_gives_no_set():
    assert retrieval.candidate_sets(["a", "z"], ["a", "b", "c"], 2, generator(0)) is None
    assert retrieval.candidate_sets(["a"], ["a", "b"], 3, generator(0)) is None


def test_recall_counts_ties_by_expected_rank():
    scores = torch.tensor([[3.0, 1.0, 2.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 9.0, 9.0, 9.0]])
    sets = torch.arange(4).expand(4, 4)
    # Expected ranks of the first: 1, 1.5, 2.5, 4.
    assert retrieval.recall(scores, sets).tolist() == [0.25, 1.0, 1.0]


def test_constant_scores_never_hit():
    sets = retrieval.candidate_sets(list("abcde") * 4, list("abcde") * 6, 5, generator(2))
    assert sets is not None
    assert retrieval.recall(torch.zeros(20, 30), sets)[0] == 0


# --- banks, uniformity, summaries ---


def test_a_larger_bank_helps_and_the_whole_is_exact(suite):
    table = scoring.evaluate_bank_sizes(suite, [2, 8, 999], 10, bank_draws=4, draws=6, seed=0).set_index(
        ["method", "bank"]
    )
    assert sorted({bank for _, bank in table.index}) == [2, 8, 30]
    few, many = (table.loc[("monte_carlo_disparate", m), "recall_at_1"] for m in (2, 30))
    assert few < 0.6 < many
    assert (table["queries"] == len(suite.tested("audio"))).all()
    main = scoring.evaluate(suite, [10], draws=6, seed=0).set_index(["task", "method"])["recall_at_1"]
    assert many == pytest.approx(main["audio_to_image", "monte_carlo_disparate"])  # the same bank, the same sets
    alone = summary.with_intervals(table.reset_index(), ["method", "bank", "queries"])
    expected = 1.96 * np.sqrt(alone["recall_at_1"] * (1 - alone["recall_at_1"]) / len(suite.tested("audio")))
    assert alone["ci95"].to_numpy() == pytest.approx(expected.to_numpy())


def test_uniformity_sees_uniform_and_clustered_banks(suite):
    table = scoring.uniformity_of_banks(suite, seed=0)
    assert len(table.groupby(["model", "modality"])) == len(suite.stores)
    phrases = table[(table["test"] == "kernel_mmd") & (table["modality"] == "text")]
    assert (phrases["p_value"] < 0.01).all()  # three phrases around each of ten axes
    store = suite.stores["image_text", "text"]
    even = torch.nn.functional.normalize(torch.randn(store.embeddings.shape, generator=generator(4)), dim=-1)
    uniform = suites.Suite(suite.items, {("image_text", "text"): Store(store.info, store.ids, even)})
    assert scoring.uniformity_of_banks(uniform, seed=0)["p_value"].min() > 0.001
    wide = summary.summarise_uniformity(table.assign(suite="made"))
    assert len(wide) == len(suite.stores)
    assert {"rayleigh_p_value", "kernel_mmd_effect", "published_ks_p_value"} <= set(wide)


def test_intervals_are_students_over_seeds():
    frame = pd.DataFrame({"suite": "s", "queries": 50, "recall_at_1": [0.5, 0.6, 0.7]})
    frame["recall_at_5"], frame["recall_at_10"] = 0.9, 1.0
    row = summary.with_intervals(frame, ["suite", "queries"]).iloc[0]
    assert row["recall_at_1"] == pytest.approx(0.6)
    assert row["ci95"] == pytest.approx(4.302653 * 0.1 / np.sqrt(3), rel=1e-5)
    alone = summary.with_intervals(frame[:1], ["suite", "queries"]).iloc[0]
    assert alone["ci95"] == pytest.approx(1.96 * np.sqrt(0.25 / 50))


def test_metrics_have_the_agreed_form(suite):
    table = scoring.evaluate(suite, [10, 20], draws=1, seed=0).assign(suite="digits")
    table = summary.with_intervals(table, ["suite", "task", "through", "method", "candidates", "queries"])
    metrics = summary.summarise(table)
    assert list(metrics) == ["digits"]
    assert set(metrics["digits"]) == {task.name for task in suites.TASKS}
    for methods in metrics["digits"].values():
        assert set(methods) == set(scoring.METHODS) - {"distilled_disparate"}  # too few training items here
        for entry in methods.values():
            assert set(entry) == {"recall_at_1", "recall_at_5", "ci95", "candidates"}
            assert entry["candidates"] == 10


def test_runs_are_described_per_method_and_model(suite):
    table = scoring.evaluate(suite, [10], draws=1, seed=0).assign(suite="digits", queries=1)
    table = summary.with_intervals(table, ["suite", "task", "through", "method", "candidates", "queries"])
    losses = pd.DataFrame({"suite": "digits", "model": "image_text", "seed": [0, 0, 1, 1], "step": [0, 1, 0, 1]})
    runs = {name: metrics for name, _, metrics in summary.describe_runs(table, losses.assign(loss=[3.0, 2, 5, 2]))}
    assert runs["digits audio_to_image ground_truth"]["recall_at_1_of_10"][0][1] > 0.9
    assert runs["digits train image_text"]["loss_mean"] == [[0.0, 4.0]]


def test_runs_name_the_jobs_that_made_them(suite, tmp_path):
    folder = tmp_path / "digits/seed0"
    folder.mkdir(parents=True)
    scoring.evaluate(suite, [10], draws=1, seed=0).to_parquet(folder / "recall.parquet")
    losses = pd.DataFrame({"model": ["image_text", "joint_image"], "step": 0, "loss": 1.0})
    losses.to_parquet(folder / "losses.parquet")
    files = {name: [] for name in ("stamps", "banks", "uniformity", "table")}
    files |= {name: [folder / f"{name}.parquet"] for name in ("recall", "losses")}
    jobs = {run.name: (run.tags["rule"], run.tags["wildcards"]) for run in summary.collect(files, {}).runs}
    assert jobs["digits train image_text"] == ("train_pairwise_digits", "trained=digits")
    assert jobs["digits train joint_image"] == ("train_joint_digits", "trained=digits")
    assert jobs["digits audio_to_image ground_truth"] == ("score_bridging", "suite=digits")


def test_suites_are_read_from_stores(suite, tmp_path):
    for (model, modality), store in suite.stores.items():
        write_store(store, tmp_path / f"{model}.{modality}.parquet")
    suite.items.to_parquet(tmp_path / "items")
    again = suites.read_suite(tmp_path / "items", tmp_path)
    assert set(again.stores) == set(suite.stores)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="embed the items first"):
        suites.read_suite(tmp_path / "items", tmp_path / "empty")


# --- the page ---


def test_the_gallery_shows_what_was_retrieved(suite, tmp_path):
    queries = gallery.choose_queries(suite, 10, per_label=1, misses=2, seed=0)
    assert [query.label for query in queries[:LABELS]] == [str(label) for label in range(LABELS)]
    (scores,) = scoring.scores_of(suite, suites.TASKS[0], "monte_carlo_disparate")
    assert all(query.right("monte_carlo_disparate") for query in queries)
    assert torch.isfinite(scores).all()
    page = tmp_path / "gallery.html"
    gallery.render_gallery(
        {"made": queries},
        10,
        audio=lambda suite, name: gallery.sound_uri(np.sin(np.arange(800.0))),
        spectrogram=lambda suite, name: gallery.spectrogram_uri(torch.linspace(-1, 1, 64).reshape(8, 8)),
        image=lambda suite, name: gallery.image_uri(torch.zeros(3, 8, 8)),
        path=page,
    )
    text = page.read_text(encoding="utf-8")
    assert text.count("<audio") == len(queries)
    assert text.count("data:audio/wav;base64,") == len(queries)
    assert "http" not in text  # nothing is fetched
    assert text.count("<figure") == len(queries) * 3 * gallery.TOP


def test_a_run_without_an_answer_says_so(tmp_path):
    recall = pd.DataFrame(columns=["suite", "task", "through", "method", "candidates", "recall_at_1", "ci95"])
    draw_tables(recall, pd.DataFrame(columns=["suite", "method", "bank", "recall_at_1", "ci95"]), tmp_path)
    for stem in ("bridging_audio_image", "bridging_swapped", "bridging_bank"):
        with Image.open(tmp_path / f"{stem}.png") as image:
            assert image.height < 100  # a line, not a white page
            assert np.ptp(np.asarray(image.convert("L"))) > 0
    none = lambda suite, item: ""  # noqa: E731
    gallery.render_gallery({}, 10, none, none, none, tmp_path / "gallery.html")
    assert "Nothing to look at" in (tmp_path / "gallery.html").read_text()
