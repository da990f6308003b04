"""The pretrained networks on stamps and sounds that everybody can name; skipped where media or weights are not here."""

from pathlib import Path

import pytest
import torch
from mirror import ROOT

from ucl.media.base import MediaError
from ucl.stamps.frozen import ImageNetwork, SoundNetwork, SpeechNetwork, TextNetwork
from ucl.stamps.models import FROZEN

STAMPS, WEIGHTS = Path("/usr/share/tuxpaint/stamps"), ROOT / "data/weights"
HERE = STAMPS.is_dir() and all((WEIGHTS / file).is_file() for files in FROZEN.values() for file in files)
pytestmark = pytest.mark.skipif(not HERE, reason="needs tuxpaint-stamps-default and data/weights (docs/media.md)")

# Pictures that are called like a class of ImageNet (all 79 such stamps: docs/media.md), sounds that AudioSet has.
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
