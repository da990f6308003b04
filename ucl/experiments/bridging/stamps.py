"""Suite `stamps`: what is asked of the models of one split, and every method's answers.

Protocols: `new_words` (pictures found by spoken words that no model was trained on, the bank holds all captions),
`new_words_unlisted` (the bank holds the training captions alone), `heard_words` (words that the speech model was
trained on, pictures that no model saw), `sounds` (folds of the sound effects) and `sounds_never_trained` (the sound
model knows AudioSet's classes and their names, and no stamp).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import Cosine
from ucl.distilled.distil import distill
from ucl.distilled.report import weak_allowed
from ucl.experiments.bridging.stamps_training import split_stamps, train_on_classes, train_on_pairs
from ucl.runtime import generator
from ucl.stamps.models import MODELS
from ucl.stamps.towers import TwoTowers
from ucl.stamps.training import embed
from ucl.stamps.world import World
from ucl.statistics.cutoffs import KS
from ucl.statistics.retrieval import mean_recalls, sample_sets

__all__ = ["Case", "answers", "never_trained_case", "rows_of_case", "score_sounds", "score_spoken", "spoken_cases"]

SAID = "symbols/"  # letters and numbers, whose recordings are somebody saying them: no sound effects


@dataclass(frozen=True)
class Case:
    """One protocol: queries heard by one model, pictures seen by another, the bank and its captions in both."""

    protocol: str
    names: list[str]  # of the stamps that ask and are found
    a: Float[Tensor, "n d"]  # what is heard
    c: Float[Tensor, "n d"]  # what is seen
    own_for_a: Float[Tensor, "n d"]  # the stamps' own captions
    own_for_c: Float[Tensor, "n d"]
    bank: Bank
    ab: Cosine
    bc: Cosine
    samples: tuple[Tensor, Tensor] | None  # unpaired training samples of both, to distil from
    supervised: Float[Tensor, "n n"] | None  # scores of the model trained on pairs


# --- methods -------------------------------------------------------------------------------------------------------


def answers(case: Case, seed: int) -> Iterator[tuple[str, Float[Tensor, "n n"]]]:
    """Every method's scores of what is heard against what is seen, and each model's own task."""
    bridge = Bridge(case.ab, case.bc, case.bank, normalize=False)
    result = bridge.score(case.a, case.c, progress=False)
    for_a, for_c = case.bank.like(case.a)
    order = torch.randperm(len(for_c), generator=generator(seed, 47))
    shuffled = Bridge(case.ab, case.bc, Bank(for_a, for_c[order]), normalize=False)
    yield "direct", Cosine.similarity(case.a, case.c)
    yield "monte_carlo", result.scores
    yield "monte_carlo_normalized", result.with_normalization(True).scores
    yield "one_hop", case.bc(for_c[case.ab(case.a, for_a).argmax(1)], case.c)
    yield "shuffled", shuffled.score(case.a, case.c, progress=False).scores
    if case.samples is not None:
        with weak_allowed():  # a contest shows who is weak
            student = distill(bridge, *case.samples, seed=seed, progress=False)
        yield "distilled", student.embed_a(case.a) @ student.embed_c(case.c).mT
    if case.supervised is not None:
        yield "supervised", case.supervised
    yield "image_to_text", Cosine.similarity(case.c, case.own_for_c)
    yield "audio_to_text", Cosine.similarity(case.a, case.own_for_a)


def rows_of_case(case: Case, groups: Mapping[str, str], size: int, draws: int, seed: int) -> list[dict[str, Any]]:
    """Recall of every method among `size` candidates of different groups, the mean over random candidate sets."""
    labels = [groups[name] for name in case.names]
    sets = sample_sets(labels, labels, min(size, len(set(labels))), draws, seed)
    shape = {"task": case.protocol, "through": "text", "candidates": sets[0].shape[1], "queries": len(labels)}
    rows = []
    for method, scores in answers(case, seed):
        rows.append(shape | {"method": method} | mean_recalls([scores], sets))
    return rows


# --- pictures and speech -------------------------------------------------------------------------------------------


def score_spoken(
    world: World, models: Mapping[str, TwoTowers], section: Mapping[str, Any], draws: int, seed: int
) -> pd.DataFrame:
    """Recall of all methods, as `ucl.experiments.bridging.scoring.evaluate` has it, for the spoken protocols."""
    cases = spoken_cases(world, models, section, seed)
    rows = [rows_of_case(case, world.groups, section["candidates"], draws, seed) for case in cases]
    return pd.DataFrame([row for part in rows for row in part])


def spoken_cases(
    world: World, models: Mapping[str, TwoTowers], section: Mapping[str, Any], seed: int
) -> Iterator[Case]:
    """The three protocols of pictures and speech."""
    parts = split_stamps(world, section, seed)
    everything = [name for names in parts.values() for name in names]
    training = [*parts["image"], *parts["speech"]]
    samples = (
        _rows(world, models["audio_text"], "audio_text", 0, world.seen(parts["speech"], "speech")),
        _rows(world, models["image_text"], "image_text", 0, world.seen(parts["image"], "image")),
    )
    for protocol, part, bank in (
        ("new_words", "test", everything),
        ("new_words_unlisted", "test", training),
        ("heard_words", "speech", training),
    ):
        names = world.seen(parts[part], "speech", "image")
        supervised = None
        if part == "test":  # the model trained on pairs saw those of heard words
            pair = models["audio_image"]
            heard, seen = (_rows(world, pair, "audio_image", side, names) for side in (0, 1))
            supervised = Cosine.similarity(heard, seen)
        distilled = None if protocol == "new_words_unlisted" else samples
        yield _case(protocol, world, (models["audio_text"], models["image_text"]), names, bank, distilled, supervised)


# --- pictures and sounds ---------------------------------------------------------------------------------------------


def never_trained_case(world: World, sound_text: TwoTowers, image_text: TwoTowers, stamps: Iterable[str]) -> Case:
    """Sound effects with their pictures, and all captions, for a sound model that knows AudioSet's classes alone."""
    models, names = (sound_text, image_text), _effects(world, stamps)
    return _case("sounds_never_trained", world, models, names, list(world.groups), None, None)


def _effects(world: World, stamps: Iterable[str]) -> list[str]:
    """Those of some stamps that have a picture and a sound effect."""
    return [name for name in world.seen(stamps, "sound", "image") if not name.startswith(SAID)]


def score_sounds(
    world: World, section: Mapping[str, Any], draws: int, seed: int
) -> tuple[pd.DataFrame, dict[str, TwoTowers]]:
    """The same for the protocols of sound effects, whose small models are trained on the way; the never-trained one."""
    groups = world.groups
    effects = _effects(world, groups)
    folds = _folds([groups[name] for name in effects], section["folds"], seed)
    heard = {groups[name] for name in world.seen(groups, "sound")}
    silent = dict.fromkeys(sorted(set(groups.values()) - heard))
    order = [list(silent)[i] for i in torch.randperm(len(silent), generator=generator(seed, 46)).tolist()]
    judge = set(order[: section["validation"]])
    learn = set(order[section["validation"] :])
    image_text = train_on_pairs("image_text", world, _of(groups, learn), _of(groups, judge), section, seed)
    never = train_on_classes("sound_text", world, section, seed)
    case = never_trained_case(world, never, image_text, groups)
    rows = rows_of_case(case, groups, section["candidates"], draws, seed)
    parts = []
    for fold in range(section["folds"]):
        test, judged = ([n for n in effects if folds[groups[n]] == (fold + i) % section["folds"]] for i in (0, 1))
        rest = [name for name in effects if name not in {*test, *judged}]
        sound_text, pair = (
            train_on_pairs(name, world, rest, judged, section, seed * section["folds"] + fold)
            for name in ("sound_text", "sound_image")
        )
        found, seen = (_rows(world, pair, "sound_image", side, test) for side in (0, 1))
        case = _case(
            "sounds", world, (sound_text, image_text), test, list(groups), None, Cosine.similarity(found, seen)
        )
        parts += rows_of_case(case, groups, len(set(folds)) // section["folds"], draws, seed)
    return pd.DataFrame([*rows, *_over_folds(parts)]), {"sound_text": never}


def _folds(groups: Sequence[str], count: int, seed: int) -> dict[str, int]:
    """Group -> fold, at random, of sizes as equal as can be."""
    names = sorted(set(groups))
    order = torch.randperm(len(names), generator=generator(seed, 45)).tolist()
    return {names[i]: place % count for place, i in enumerate(order)}


def _over_folds(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mean over folds, each query counting once."""
    frame, shown = pd.DataFrame(rows), []
    for (task, through, candidates, method), part in frame.groupby(["task", "through", "candidates", "method"]):
        means = {f"recall_at_{k}": (part[f"recall_at_{k}"] * part["queries"]).sum() / part["queries"].sum() for k in KS}
        shape = {"task": task, "through": through, "candidates": candidates, "queries": part["queries"].sum()}
        shown.append(shape | {"method": method} | means)
    return shown


def _of(groups: Mapping[str, str], wanted: set[str]) -> list[str]:
    return [name for name, group in groups.items() if group in wanted]


# --- what both have ----------------------------------------------------------------------------------------------


def _case(
    protocol: str,
    world: World,
    models: tuple[TwoTowers, TwoTowers],
    names: list[str],
    bank: Sequence[str],
    samples: tuple[Tensor, Tensor] | None,
    supervised: Tensor | None,
) -> Case:
    """A case from the model of what is heard and the model of pictures."""
    hears, sees = models
    kind = "sound_text" if protocol.startswith("sounds") else "audio_text"
    listed = world.bank(bank)
    return Case(
        protocol,
        names,
        _rows(world, hears, kind, 0, names),
        _rows(world, sees, "image_text", 0, names),
        _rows(world, hears, kind, 1, names),
        _rows(world, sees, "image_text", 1, names),
        Bank(_rows(world, hears, kind, 1, listed), _rows(world, sees, "image_text", 1, listed), ids=listed),
        Cosine(float(hears.scale.detach())),
        Cosine(float(sees.scale.detach())),
        samples,
        supervised,
    )


def _rows(world: World, model: TwoTowers, name: str, side: int, stamps: Sequence[str]) -> Float[Tensor, "n d"]:
    """What one tower of a model makes of some stamps."""
    return embed((model.x, model.y)[side], world.sides[MODELS[name][side]], stamps)
