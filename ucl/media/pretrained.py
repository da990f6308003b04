"""Audio to image through text with pretrained models: what `bridging` measures on real media (section 6.2.1)."""

from collections.abc import Mapping

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ucl import Bank, Bridge, Cosine, Dot
from ucl.critics import Critic
from ucl.errors import InputError
from ucl.media.base import Modality, pair_scale
from ucl.media.store import Store
from ucl.metrics import expected_rank
from ucl.runtime import generator

__all__ = ["RANKS", "measure_recall", "score_pretrained"]

Stores = Mapping[Modality, Store]
RANKS = (1, 5, 10)


def score_pretrained(image_text: Stores, audio_text: Stores, joint: Mapping[str, Stores]) -> pd.DataFrame:
    """Score every clip's audio against every clip's image, by every method that the models allow.

    `image_text` and `audio_text` embed the same bank of texts; `joint` has the joint models by name. Returns one row
    per (method, model) with the score matrix [clips, clips] in `scores`; clip i's own image is column i. Only clips
    that every model could embed take part, so that all methods rank the same candidates.

    The direct comparison of separate models needs spaces of one size; where they differ it is left out. A joint model
    that was trained on pairs of audio and image (ImageBind) is the ground truth; one that was not (LanguageBind) is
    compared directly and through its own texts.
    """
    models = [image_text, audio_text, *joint.values()]
    clips = _shared([store.ids for stores in models for name, store in stores.items() if name != "text"])
    texts = _shared([stores["text"].ids for stores in models])

    def pick(stores: Stores) -> Stores:
        return {name: store.select(texts if name == "text" else clips) for name, store in stores.items()}

    rows = _disparate(pick(image_text), pick(audio_text))
    for name, stores in joint.items():
        rows += _joint(name, pick(stores))
    return pd.DataFrame(rows, columns=["method", "model", "scores"])


def measure_recall(scores: Float[Tensor, "n n"], candidates: int, draws: int) -> pd.DataFrame:
    """Recall@1, 5 and 10 in both directions, the clips dealt at random into groups of `candidates` that are ranked.

    Ties count their expected rank. The interval (half width of 95 %) is over queries, whose successes are averaged
    over the draws first.
    """
    if len(scores) < candidates:
        raise InputError(f"media.candidates = {candidates}: more than the {len(scores)} clips at hand; lower it")
    rows = []
    for task, matrix in (("audio_to_image", scores), ("image_to_audio", scores.mT)):
        ranks = torch.stack([_ranks(matrix, candidates, draw) for draw in range(draws)])
        for k in RANKS:
            hits = torch.where(ranks.isnan(), ranks, (ranks <= k).to(ranks.dtype)).nanmean(0)
            hits = hits[~hits.isnan()]  # a clip that was left over in every draw
            half = 1.96 * float(hits.std()) / len(hits) ** 0.5
            rows.append((task, k, float(hits.mean()), half, candidates, len(hits)))
    return pd.DataFrame(rows, columns=["task", "k", "recall", "ci95", "candidates", "queries"])


def _ranks(scores: Float[Tensor, "n n"], candidates: int, draw: int) -> Float[Tensor, " n"]:
    """Expected rank of each query's own candidate in its group of one draw; NaN for those left over."""
    n = len(scores)
    groups = torch.randperm(n, generator=generator(draw, n))[: n - n % candidates].reshape(-1, candidates)
    ranks = torch.full((n,), float("nan"), dtype=torch.float64)
    ranks[groups] = expected_rank(scores[groups[:, :, None], groups[:, None, :]]).double()
    return ranks


def _critic(one: Store, other: Store) -> Critic:
    """The critic of two encoders of one model, with its learned scale: on unit rows the dot product is the cosine."""
    kind = Cosine if one.info.normalized and other.info.normalized else Dot
    return kind(pair_scale(one.info, other.info))


def _disparate(image_text: Stores, audio_text: Stores) -> list[tuple[str, str, Tensor]]:
    audio, image = audio_text["audio"], image_text["image"]
    name = f"{audio.info.model} + {image.info.model}"
    bridge = Bridge(
        ab=_critic(audio, audio_text["text"]),
        bc=_critic(image_text["text"], image),
        bank=Bank(for_a=audio_text["text"].embeddings, for_c=image_text["text"].embeddings),
    )
    rows = [("monte_carlo_disparate", name, _bridged(bridge, audio, image))]
    if audio.info.width == image.info.width:
        rows.insert(0, ("direct_disparate", name, audio.embeddings @ image.embeddings.mT))
    return rows


def _joint(name: str, stores: Stores) -> list[tuple[str, str, Tensor]]:
    audio, image, text = stores["audio"], stores["image"], stores["text"]
    direct = audio.embeddings @ image.embeddings.mT
    if image.info.logit_scale is None or audio.info.logit_scale is None:  # the middle of this model is one of the two
        return [("ground_truth", name, direct)]
    bridge = Bridge(ab=_critic(audio, text), bc=_critic(text, image), bank=Bank(for_a=text.embeddings))
    return [("direct_joint", name, direct), ("monte_carlo_joint", name, _bridged(bridge, audio, image))]


def _bridged(bridge: Bridge, audio: Store, image: Store) -> Tensor:
    return bridge.score(audio.embeddings, image.embeddings, progress=False).scores


def _shared(lists: list[list[str]]) -> list[str]:
    """The ids that are in every list, in the order of the first."""
    common = set(lists[0]).intersection(*lists[1:])
    if not common:
        raise InputError("no item was embedded by every model; see the tables of failures")
    return [name for name in lists[0] if name in common]
