"""Verdicts in worlds where the right one is known."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ucl import Bank, Bridge, Cosine, Diagnosis, InputError, diagnose
from ucl.peers import PEERS, Barycentre, Peer, SharedBank
from ucl.runtime import generator
from ucl.trust.page import write_page
from ucl.trust.ways import WAYS, way

CLUSTERS, WIDTH, BANK, ROWS, NOISE = 30, 12, 600, 200, 0.12


def world(kind: str, key: int) -> dict[str, Tensor]:
    """Things of `CLUSTERS` kinds: A's model and C's embed the kinds alike (`shared`) or each in its own way (`apart`).

    In `unrelated` nothing that C's model says of a thing depends on what it is.
    """
    random = generator(key, 7)
    draw = lambda *shape: torch.randn(*shape, generator=random)  # noqa: E731
    of_a = normalize(draw(CLUSTERS, WIDTH), dim=1)
    of_c = of_a if kind == "shared" else normalize(draw(CLUSTERS, WIDTH), dim=1)
    kinds = {name: torch.randint(CLUSTERS, (n,), generator=random) for name, n in SIZES.items()}
    rows = lambda centres, name: normalize(centres[kinds[name]] + NOISE * draw(SIZES[name], WIDTH), dim=1)  # noqa: E731
    found = {"for_a": rows(of_a, "b"), "for_c": rows(of_c, "b"), "a": rows(of_a, "ac"), "c": rows(of_c, "ac")}
    for pair, centres in (("ab", of_a), ("bc", of_c)):
        found |= {pair: rows(centres, pair), f"{pair}_a": rows(of_a, pair), f"{pair}_c": rows(of_c, pair)}
    if kind == "unrelated":
        found |= {name: normalize(draw(*found[name].shape), dim=1) for name in ("c", "for_c", "bc", "bc_c", "ab_c")}
    return found


SIZES = {"b": BANK, "ac": ROWS, "ab": ROWS, "bc": ROWS}


def ask(w: dict[str, Tensor], pairs: bool = True, **more: object) -> Diagnosis:
    bridge = Bridge(Cosine(12.0), Cosine(12.0), Bank(w["for_a"], w["for_c"]))
    if pairs:
        more |= {"pairs_ab": (w["ab"], w["ab_a"], w["ab_c"]), "pairs_bc": (w["bc"], w["bc_a"], w["bc_c"])}
    return diagnose(
        bridge, w["a"], w["c"][torch.randperm(ROWS, generator=generator(5))], among=16, progress=False, **more
    )


@pytest.fixture(scope="module")
def bridged() -> Diagnosis:
    w = world("apart", 1)
    return ask(w, pairs_ac=(w["a"], w["c"]))


def test_two_spaces_are_joined_by_a_bridge(bridged: Diagnosis) -> None:
    assert bridged.verdict == "bridge"
    assert bridged.method == bridged.predictions[0].method
    by_name = {p.method: p for p in bridged.predictions}
    assert by_name["direct"].recall < 0.3 < by_name["monte_carlo_normalized"].recall
    assert [p.recall for p in bridged.predictions] == sorted((p.recall for p in bridged.predictions), reverse=True)
    assert bridged.known is not None
    assert bridged.known.p_value > 0.01  # Assumption 1 holds in this world


def test_one_space_is_compared_directly() -> None:
    found = ask(world("shared", 2))
    assert (found.verdict, found.method) == ("direct", "direct")


def test_what_nothing_joins_is_told() -> None:
    found = ask(world("unrelated", 3))
    assert found.verdict in ("none", "cannot tell")
    assert found.method is None


def test_a_shuffled_bank_is_no_ground_for_a_verdict() -> None:
    w = world("apart", 1)
    w["for_c"] = w["for_c"].roll(1, 0)
    found = ask(w, pairs=False)
    assert found.verdict == "cannot tell"
    assert "cannot tell" in str(found).lower()


def test_pairs_of_another_world_are_told(bridged: Diagnosis) -> None:
    w = world("apart", 1)
    found = ask(w, pairs_ac=(w["a"], w["c"].roll(1, 0)))  # A and C that do not belong together
    assert found.known is not None
    assert found.known.p_value < 0.01
    assert any("not the world" in reason for reason in found.reasons)


def test_without_pairs_levels_are_lower_bounds(bridged: Diagnosis) -> None:
    found = ask(world("apart", 1), pairs=False)
    assert all(p.bound for p in found.predictions)
    level = {p.method: p.recall for p in bridged.predictions}
    assert found.predictions[0].low < level[found.predictions[0].method]
    assert any("lower bounds" in need for need in found.needs)


def test_the_same_question_has_the_same_answer(bridged: Diagnosis) -> None:
    w = world("apart", 1)
    assert ask(w, pairs_ac=(w["a"], w["c"])).to_json() == bridged.to_json()


def test_json_and_page_hold_what_was_said(bridged: Diagnosis, tmp_path: Path) -> None:
    told = json.loads(bridged.to_json())
    assert told["verdict"] == bridged.verdict
    assert len(told["predictions"]) == len(bridged.predictions)
    write_page(bridged, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert bridged.headline in page
    assert not re.search(r"https?://|<script|src=", page)
    assert page.count("<circle") == len(bridged.predictions)


def test_sides_the_wrong_way_round_are_told_before_the_work() -> None:
    w = world("apart", 1)
    bridge = Bridge(Cosine(12.0), Cosine(12.0), Bank(w["for_a"], w["for_c"][:, :5]))
    with pytest.raises(InputError, match=r"got 5 and 12; that is the width of bank.for_c: swap a and c"):
        diagnose(bridge, w["c"][:, :5], w["a"], progress=False)
    with pytest.raises(InputError, match=r"pairs_bc\[0\] and bank.for_c must have the same width: got 12 and 5"):
        diagnose(bridge, w["a"], w["c"][:, :5], pairs_bc=(w["a"], w["for_a"], w["for_c"]), progress=False)
    with pytest.raises(InputError, match=r"pairs_ac\[0\] and bank.for_a must have the same width: got 5 and 12"):
        diagnose(bridge, w["a"], w["c"][:, :5], pairs_ac=(w["c"][:, :5], w["a"]), progress=False)
    with pytest.raises(InputError, match="pairs_ac must hold at least 2 pairs, row by row: got 9 and 8"):
        diagnose(bridge, w["a"], w["c"][:, :5], pairs_ac=(w["a"][:9], w["c"][:8, :5]), progress=False)


@pytest.mark.parametrize("peer", PEERS)
def test_every_method_says_how_it_is_used(peer: type[Peer]) -> None:
    told = way(peer.name)
    assert told in WAYS.values() or f"`{peer.__name__}().fit(" in told


def test_the_call_that_is_told_runs_as_it_stands() -> None:
    w = world("apart", 1)
    bank, ab, bc, a, c = Bank(w["for_a"], w["for_c"]), Cosine(12.0), Cosine(12.0), w["a"], w["c"]
    (call,) = re.findall(r"`(\w+\(\).*)`", way("barycentre"))
    names = {"Barycentre": Barycentre, "SharedBank": SharedBank, "bank": bank, "ab": ab, "bc": bc, "a": a, "c": c}
    assert eval(call, names).indices.shape == (ROWS, 10)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"a": 10}, "a must hold at least 50 samples"),
        ({"for_a": 60, "for_c": 60}, "a bank of at least 100"),
    ],
)
def test_too_little_is_told(change: dict[str, int], line: str) -> None:
    w = world("apart", 1)
    w |= {name: w[name][:n] for name, n in change.items()}
    with pytest.raises(InputError, match=line):
        ask(w, pairs=False)
