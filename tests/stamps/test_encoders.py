"""The pretrained networks on stamps and sounds that everybody can name; skipped where media or weights are not here."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from mirror import ROOT
from real_stamps import STAMPS, WEIGHTS, needs_stamps

from ucl.media.base import MediaError
from ucl.stamps.collection import read_stamps
from ucl.stamps.frozen import ImageNetwork, SoundNetwork, SpeechNetwork, TextNetwork

pytestmark = needs_stamps

# Pictures that are called like a class of ImageNet (all 94 such stamps: below), sounds that AudioSet has.
PICTURES = {
    "animals/mammals/apes/gorilla": "gorilla",
    "animals/mammals/aquatic/otter": "otter",
    "animals/mammals/badger": "badger",
    "animals/mammals/cats/lion": "lion",
    "animals/mammals/cats/tiger": "tiger",
    "hobbies/music/string/cello": "cello",
}
SOUNDS = {
    "animals/mammals/equines/horse": "Neigh, whinny",
    "seasonal/newyears/fireworks": "Explosion",
    "symbols/math/5": "Speech",
    "household/tools/saw": "Sanding",
}


def test_pictures_and_sounds_get_their_names():
    images, sounds = ImageNetwork(WEIGHTS), SoundNetwork(WEIGHTS)
    found = {name: _first(STAMPS / name, (".png", ".svg")) for name in PICTURES}
    right = [images.head.best(images.forward([images.prepare(found[n])])[0]) == label for n, label in PICTURES.items()]
    heard = {name: _first(STAMPS / name, (".ogg", ".wav")) for name in SOUNDS}
    right += [sounds.head.best(sounds.forward([sounds.prepare(heard[n])])[0]) == label for n, label in SOUNDS.items()]
    assert sum(right) >= 8


def test_as_many_pictures_get_their_captions_as_the_page_says():
    network, counted = ImageNetwork(WEIGHTS), Counter()
    classes: dict[str, list[int]] = {}
    for place, name in enumerate(network.head.names):  # two are a crane
        classes.setdefault(_plain(name), []).append(place)
    for stamp in read_stamps(STAMPS):
        labels = classes.get(re.sub("^(a|an|the|some) ", "", _plain(stamp.captions["en"])))
        if stamp.image is None or labels is None:
            continue
        scores = network.head.weight @ network.forward([network.prepare(stamp.image)])[0] + network.head.bias
        best = scores.topk(5).indices.tolist()
        kind = "drawings" if stamp.image.suffix == ".svg" else "others"
        found = {"all": True, "first": best[0] in labels, "five": bool({*labels} & {*best})}
        counted.update({(kind, what): one for what, one in found.items()})
    page = (ROOT / "docs/media.md").read_text(encoding="utf-8")
    both = {what: counted["drawings", what] + counted["others", what] for what in ("all", "first", "five")}
    drawn = {what: counted["drawings", what] for what in both}
    assert f"Of the {both['all']} pictures ({drawn['all']} of them drawings)" in page
    assert f"first for {both['first']} and among the first five for {both['five']} (drawings: " in page
    assert f"(drawings: {drawn['first']} and {drawn['five']})" in page


def _plain(text: str) -> str:
    return re.sub("[^a-z]+", " ", text.lower()).strip()


def test_the_features_of_a_sound_give_the_graphs_own_scores():
    """The head in float32 on the features against what the 8-bit graph says: within a few of its steps of 1/256."""
    sounds = SoundNetwork(WEIGHTS)
    samples = sounds.prepare(STAMPS / "animals/mammals/equines/horse.ogg")[: sounds.SAMPLES]
    scores = torch.sigmoid(sounds.head.weight @ sounds.forward([samples])[0] + sounds.head.bias)
    said = sounds.interpreter.get_tensor(sounds.interpreter.get_output_details()[0]["index"])[0]
    assert float((scores - torch.from_numpy(said)).abs().max()) < 0.05


def test_speech_and_texts_have_their_shapes_and_order():
    speech, texts = SpeechNetwork(WEIGHTS), TextNetwork(WEIGHTS)
    (frames,) = speech.forward([speech.prepare(STAMPS / "animals/amphibians/frog_desc_fr.ogg")])
    assert frames.shape[1] == 96
    assert len(frames) >= 5
    rows = texts.encode(["A frog.", "A toad sits in the pond.", "The price of oil fell on Monday."])
    assert torch.allclose(rows.norm(dim=1), torch.ones(3), atol=1e-5)
    assert float(rows[0] @ rows[1]) > float(rows[0] @ rows[2]) + 0.2
    assert torch.allclose(texts.encode(["A frog."]), rows[:1], atol=1e-5)  # padding changes nothing
    with pytest.raises(MediaError, match="silent"):
        speech.prepare(STAMPS / "animals/birds/nandou.ogg")


def _first(path: Path, suffixes: tuple[str, ...]) -> Path:
    return next(path.with_name(path.name + each) for each in suffixes if path.with_name(path.name + each).exists())
