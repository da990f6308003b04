"""From files to a page through models of stamps trained here, on frozen networks that know four colours and tones."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from command import run
from toy_media import COLOURS, colour, paint, play, tone, word

from ucl.media.store import read_made, read_store
from ucl.runtime import generator
from ucl.stamps import encoders
from ucl.stamps.models import FROZEN, MODELS, build, save_model
from ucl.stamps.towers import Classes, letters
from ucl.stamps.training import Recipe, Side, judge_pairs, pair_loss, train

RECIPE = Recipe(width=8, hidden=32, steps=150, batch=4, learning_rate=0.01, weight_decay=0.0, pseudo=0.0)
FRENCH = {"red": "rouge", "green": "vert", "blue": "bleu", "grey": "gris"}
SHADES = (1.0, 0.85, 0.7)
WEIGHTS = Path("weights")
WIDTHS = {"image": 20, "sound": 20, "speech": 96, "text": 384}


def spread(rows: Sequence[Sequence[float]], kind: str) -> torch.Tensor:
    """A few numbers as the features of a frozen network: a fixed map, and unit rows."""
    narrow = torch.tensor(rows, dtype=torch.float32)
    wide = narrow @ torch.randn(narrow.shape[1], WIDTHS[kind], generator=generator(1, WIDTHS[kind]))
    return wide / wide.norm(dim=1, keepdim=True)


class Eye:
    """What `ImageNetwork` is to a tower; `Ear`, `Speech` and `Reader` likewise."""

    def __init__(self, folder: Path) -> None:
        assert (folder / "minilm.zip").is_file()

    def prepare(self, path: Path) -> list[float]:
        return colour(path)

    def forward(self, prepared: Sequence[list[float]]) -> torch.Tensor:
        return spread(prepared, "image")


class Ear(Eye):
    def prepare(self, path: Path) -> list[float]:
        return tone(path)

    def forward(self, prepared: Sequence[list[float]]) -> torch.Tensor:
        return spread(prepared, "sound")


class Speech(Ear):
    def forward(self, prepared: Sequence[list[float]]) -> list[torch.Tensor]:  # twenty frames each
        return [row.expand(20, -1) for row in spread(prepared, "speech")]


class Reader(Eye):
    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        return spread([word(text, 5) for text in texts], "text")


SEEN = {"image": (Eye, "photos/{}.png"), "sound": (Ear, "sounds/{}.wav"), "speech": (Speech, "sounds/{}.wav")}


@pytest.fixture
def world(tmp_path, monkeypatch) -> Path:
    """Pictures (one of them a drawing), sounds and texts of four colours; and files in place of the frozen weights."""
    monkeypatch.chdir(tmp_path)
    for name, network in {"Image": Eye, "Sound": Ear, "Speech": Speech, "Text": Reader}.items():
        monkeypatch.setattr(encoders, f"{name}Network", network)
    for name in COLOURS:
        for i, shade in enumerate(SHADES):
            paint(Path("photos", f"{name}{i}.png"), name, shade)
            play(Path("sounds", f"{name}{i}.wav"), name, 0.3 + 0.1 * i)
    fill = '<svg xmlns="http://www.w3.org/2000/svg" width="4pt" height="4pt"><script>alert(1)</script>{}</svg>'
    Path("photos/drawn.svg").write_text(fill.format('<rect width="9" height="9" fill="#fa1414"/>'))
    Path("texts.txt").write_text("".join(f"something {name}\nall {name}\n" for name in COLOURS))
    for language, names in {"en": dict(zip(COLOURS, COLOURS, strict=True)), "fr": FRENCH}.items():
        Path(f"{language}.csv").write_text("id,text\n" + "".join(f"{FRENCH[x]},{names[x]}\n" for x in COLOURS))
    WEIGHTS.mkdir()
    for file in {file for files in FROZEN.values() for file in files}:
        (WEIGHTS / file).write_bytes(file.encode())
    return tmp_path


def features(name: str, every: list[str]) -> tuple[Side, Side, dict[str, Classes]]:
    """Both sides of a model, item by item, and the head of its frozen network: a class per colour."""
    kind, read = MODELS[name]
    network, where = SEEN[kind][0](WEIGHTS), SEEN[kind][1]
    rows, classes = network.forward([network.prepare(Path(where.format(one))) for one in every]), {}
    if kind != "speech":
        heads = 20 * torch.stack([rows[every.index(f"{name}0")] for name in COLOURS])
        classes = {kind: Classes(heads, torch.zeros(len(COLOURS)), Reader(WEIGHTS).encode(list(COLOURS)))}
        rows = classes[kind].describe(rows)
    said = [FRENCH[one[:-1]] if read == "letters" else one[:-1] for one in every]
    texts = [letters(text) for text in said] if read == "letters" else Reader(WEIGHTS).encode(said)
    views = (dict(zip(every, each, strict=True)) for each in (rows, texts))
    first, second = (Side(view, name == "audio_text") for view in views)
    return first, second, classes


def trained(name: str) -> None:
    """A model of pictures, sounds or speech and texts, in the folder where `stamps:` looks for it."""
    groups = {shown: [f"{shown}{i}" for i in range(len(SHADES))] for shown in COLOURS}
    *sides, classes = features(name, [one for ones in groups.values() for one in ones])
    both = (sides[0], sides[1])
    torch.manual_seed(0)
    model = build(name, RECIPE.width, RECIPE.hidden, classes)
    judge = judge_pairs(model, both, [ones[0] for ones in groups.values()])
    train(model, pair_loss(model, both, groups, RECIPE.batch), judge, RECIPE, generator(2))
    assert judge() < 0.3
    save_model(name, model, RECIPE, WEIGHTS, Path("results/bridging/stamps/models", f"{name}.safetensors"))


@pytest.mark.parametrize(("ear", "heard", "seen"), [("sound", "texts.txt", "texts.txt"), ("audio", "fr.csv", "en.csv")])
def test_sounds_and_speech_find_pictures_and_drawings(ear, heard, seen, world, monkeypatch, capsys):
    for name in ("image_text", f"{ear}_text"):
        trained(name)

    def ucl(words: str) -> str:
        assert run(monkeypatch, *words.split(), *([] if words.startswith("search") else ["--no-progress"])) == 0
        return capsys.readouterr().out

    assert ucl("embed photos --model stamps:image_text --out photos.parquet").startswith("13 pictures, 13 of them")
    ucl(f"embed {seen} --model stamps:image_text --out seen.parquet")
    ucl(f"embed {heard} --model stamps:{ear}_text --out heard.parquet")
    ucl("bank build heard.parquet seen.parquet --out bank")
    lines = ucl("search sounds --candidates photos.parquet --bank bank --html answers.html -k 4 --json").splitlines()
    found = {one["query"][:-5]: one["candidates"] for one in map(json.loads, lines)}
    for name in COLOURS:
        expected = {f"{name}{i}.png" for i in range(len(SHADES))} | ({"drawn.svg"} if name == "red" else set())
        assert set(found[name][: len(expected)]) == expected
    store, made = read_store("photos.parquet"), read_made("photos.parquet")
    assert store.info.model == "stamps/image_text"
    assert made is not None
    assert made.model == f"stamps:image_text:{world / 'results/bridging/stamps/models'}"
    page = Path("answers.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 4 * len(lines)
    assert "drawn.svg" in page
    assert not any(each in page for each in ("<svg", "<script", "image/svg"))
