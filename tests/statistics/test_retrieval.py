"""Ranks against SciPy's, and cases worked out by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from ucl.statistics.retrieval import (
    centred_error,
    expected_rank,
    mean_recalls,
    median_rank,
    recall,
    recall_at_k,
    recall_in_groups,
)  # fmt: skip

# Few different values, so that ties abound.
tied_scores = st.integers(1, 9).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.sampled_from([0.0, 1.0, 2.0])))


@given(tied_scores)
def test_rank_is_scipys_average_rank(scores: np.ndarray) -> None:
    expected = [rankdata(-row, method="average")[i] for i, row in enumerate(scores)]
    assert expected_rank(torch.from_numpy(scores)).tolist() == expected


def test_a_tie_is_never_a_hit() -> None:
    scores = torch.zeros(10, 10)
    assert recall_at_k(scores, 1) == 0
    assert recall_at_k(scores, 5) == 0  # expected rank 5.5
    assert recall_at_k(scores, 6) == 1


def test_nan_is_never_a_hit() -> None:
    scores = torch.full((4, 4), torch.nan)
    assert recall_at_k(scores, 3) == 0
    scores = torch.eye(4)
    scores[0, 1] = torch.nan  # a candidate without a score stands before the target
    assert recall_at_k(scores, 1) == 0.75


def test_hand_worked_grid() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0], [5.0, 4.0, 6.0], [0.0, 0.0, 0.0]])
    assert expected_rank(scores).tolist() == [1, 3, 2]
    assert median_rank(scores) == 2
    assert recall_at_k(scores, 2) == pytest.approx(2 / 3)


def test_groups_compete_apart_and_a_short_last_group_is_left_out() -> None:
    scores = torch.eye(7)
    scores[0, 6] = 9.0  # outside the query's group of three
    scores[3, 4] = 9.0  # inside
    assert recall_in_groups(scores, 3) == pytest.approx(5 / 6)


def test_centred_error_forgives_a_constant_per_anchor_only() -> None:
    exact = torch.randn(5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    anchors = torch.arange(5.0, dtype=torch.float64)[:, None]
    assert centred_error(exact + anchors, exact) == pytest.approx(0, abs=1e-12)
    shifted = exact + torch.tensor([1.0, -1.0] * 3, dtype=torch.float64)
    assert centred_error(shifted, exact) == pytest.approx(1)


def test_a_nan_target_is_never_found_among_a_set_of_candidates() -> None:
    scores = torch.tensor([[float("nan"), 0.1, 0.2], [0.3, float("nan"), 0.2], [0.9, 0.1, 0.2]])
    sets = torch.tensor([[0, 1, 2]] * 3)  # the first of each set is the right one
    assert recall(scores, sets)[0] == pytest.approx(1 / 3)


def test_a_nan_target_is_never_found_among_more_candidates_than_queries() -> None:
    scores = torch.tensor([[float("nan"), 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    assert recall_at_k(scores.double(), 1) == pytest.approx(0.5)


def test_mean_recalls_are_over_all_scores_and_all_sets() -> None:
    right, wrong = torch.eye(3), -torch.eye(3)
    first = torch.tensor([[0, 1, 2], [1, 0, 2], [2, 0, 1]])
    pairs = torch.tensor([[0, 1, 1], [1, 1, 1], [2, 0, 1]])  # of the second query, three that tie
    assert mean_recalls([right, wrong], [first]) == {"recall_at_1": 0.5, "recall_at_5": 1.0, "recall_at_10": 1.0}
    assert mean_recalls([right], [first, pairs])["recall_at_1"] == pytest.approx(5 / 6)
