"""`ucl embed` and `ucl search`: from a folder to answers, with models whose answers are known (`toy_media`)."""

import base64
import csv
import io
import json
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
import torch
from command import run
from PIL import Image
from toy_media import COLOURS, RATE, SCALES, TONES, Loaders, colour, paint, play, tone, unit, word

from ucl.core.readers import as_rows
from ucl.distilled import distil
from ucl.distilled.training import Settings
from ucl.media import encoders
from ucl.media.model_name import ModelName
from ucl.media.store import Made, read_info, read_made, read_store, write_store

EYE, EAR = "toy:eye", "toy:ear"
WORDS = [f"{a} and {b} {c}" for a in COLOURS for b in COLOURS for c in ("there", "over there", "everywhere")]
ODD = "a <b>&\"c'.png"  # a name that a page must not take for HTML


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loaders:
    """Pictures in a folder and one below, four sounds, texts, and the two models."""
    monkeypatch.chdir(tmp_path)
    loaders = Loaders()
    monkeypatch.setitem(encoders.LOADERS, "toy", loaders.load)
    monkeypatch.setattr("ucl.media.update.BATCH", 4)
    monkeypatch.setattr("ucl.media.embed.SHARD", 4)
    for name in COLOURS:
        paint(Path("photos", f"{name}.jpg"), name)
        paint(Path("photos", "sub", f"{name}.png"), name, 0.7)
        play(Path("sounds", f"{name}.wav"), name)
    paint(Path("photos", ODD), "grey", 0.4)
    Path("photos", "broken.jpg").write_text("no picture")
    Path("photos", "notes.txt").write_text("left alone")
    Path("photos", ".hidden.jpg").write_text("left alone")
    Path("texts.txt").write_text("\n".join([*WORDS, "", WORDS[0]]) + "\n", encoding="utf-8")
    return loaders


def embed(monkeypatch: pytest.MonkeyPatch, source: str, model: str, out: str) -> int:
    return run(monkeypatch, "embed", source, "--model", model, "--out", out, "--no-progress")


def stores(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Photos and texts as stores; the options of `ucl search` for them."""
    assert embed(monkeypatch, "photos", EYE, "photos.parquet") == 0
    for model, out in ((EYE, "eye.parquet"), (EAR, "ear.parquet")):
        assert embed(monkeypatch, "texts.txt", model, out) == 0
    return ["--candidates", "photos.parquet", "--bank", "ear.parquet", "--bank-for-c", "eye.parquet"]


def test_a_folder_becomes_a_store_and_stays_up_to_date(toy, monkeypatch, capsys) -> None:
    assert embed(monkeypatch, "photos", EYE, "photos.parquet") == 0
    told = capsys.readouterr()
    assert told.out == (
        "9 pictures, 9 of them embedded now: photos.parquet; 1 could not be read: photos.failures.csv; "
        "left out: .txt (1)\n"
    )
    assert told.err.startswith("ucl: left out: photos/broken.jpg: ")
    store, made = read_store("photos.parquet"), read_made("photos.parquet")
    assert store.ids == sorted([ODD, *(f"{name}.jpg" for name in COLOURS)]) + sorted(f"sub/{n}.png" for n in COLOURS)
    assert torch.allclose(store.embeddings, unit([colour(Path("photos", name)) for name in store.ids]))
    assert store.info.logit_scale == SCALES["eye"]
    assert (made.model, made.folder.resolve()) == (EYE, Path("photos").resolve())
    with open("photos.failures.csv", newline="") as file:  # noqa: PTH123
        (failure,) = csv.DictReader(file)
    assert (failure["id"], failure["path"]) == ("broken.jpg", "photos/broken.jpg")

    # One is new, one has changed, one is gone, one was mended: three to embed, in their places.
    paint(Path("photos/ash.jpg"), "grey", 0.2)
    paint(Path("photos/red.jpg"), "blue")
    Path("photos/sub/red.png").unlink()
    paint(Path("photos/broken.jpg"), "green", 0.5)
    toy.embedded.clear()
    assert embed(monkeypatch, "photos", EYE, "photos.parquet") == 0
    assert sorted(toy.embedded) == ["ash.jpg", "broken.jpg", "red.jpg"]
    again = read_store("photos.parquet")
    assert again.ids[1:3] == ["ash.jpg", "blue.jpg"]
    assert "sub/red.png" not in again.ids
    assert torch.allclose(again.embeddings, unit([colour(Path("photos", name)) for name in again.ids]))
    assert not Path("photos.failures.csv").exists()
    toy.embedded.clear()
    assert embed(monkeypatch, "photos", EYE, "photos.parquet") == 0
    assert toy.embedded == []


def test_a_run_that_is_stopped_goes_on_where_it_was(toy, monkeypatch, capsys) -> None:
    toy.stop_after = 8  # two batches of four, of nine that can be read and one that cannot
    assert embed(monkeypatch, "photos", EYE, "photos.parquet") == 130
    assert not Path("photos.parquet").exists()
    finished = list(toy.embedded)
    toy.stop_after = None
    assert embed(monkeypatch, "photos", EYE, "photos.parquet") == 0
    store = read_store("photos.parquet")
    assert finished
    assert sorted(toy.embedded) == sorted(Path(name).name for name in store.ids)  # each of the nine once
    assert torch.allclose(store.embeddings, unit([colour(Path("photos", name)) for name in store.ids]))
    assert sorted(path.name for path in Path().iterdir()) == [
        "photos", "photos.failures.csv", "photos.parquet", "sounds", "texts.txt",
    ]  # fmt: skip
    assert "1 could not be read" in capsys.readouterr().out


def test_texts_come_a_line_each_or_from_a_column(toy, monkeypatch, capsys) -> None:
    assert embed(monkeypatch, "texts.txt", EYE, "eye.parquet") == 0
    assert capsys.readouterr().out == (
        f"{len(WORDS)} texts, {len(WORDS)} of them embedded now: eye.parquet; left out: repeated texts (1)\n"
    )
    store = read_store("eye.parquet")
    assert store.ids == WORDS
    assert torch.allclose(store.embeddings, unit([word(text, 4) for text in WORDS]))
    Path("plain.csv").write_text('year,caption\n1,"red, and blue"\n2, grey \n')
    assert embed(monkeypatch, "plain.csv", EAR, "ear.parquet") == 0
    assert read_store("ear.parquet").ids == ["red, and blue", "grey"]
    # With a column `id`: what two models read may be two texts of one id, and a text that changed is embedded again.
    Path("named.csv").write_text("id,text\n7,red\n8,red\n9,blue\n")
    assert embed(monkeypatch, "named.csv", EAR, "named.parquet") == 0
    Path("named.csv").write_text("id,text\n8,red\n9,green\n7,red\n")
    toy.embedded.clear()
    assert embed(monkeypatch, "named.csv", EAR, "named.parquet") == 0
    assert toy.embedded == ["green"]
    store = read_store("named.parquet")
    assert store.ids == ["8", "9", "7"]
    assert torch.allclose(store.embeddings, unit([word(text, 5) for text in ("red", "green", "red")]))
    # Texts that are called like those of a column `id` are other texts.
    Path("lines.txt").write_text("8\n9\n")
    assert embed(monkeypatch, "lines.txt", EAR, "named.parquet") == 0
    assert torch.allclose(read_store("named.parquet").embeddings, unit([word(text, 5) for text in ("8", "9")]))
    assert embed(monkeypatch, "named.csv", EAR, "named.parquet") == 0
    assert torch.equal(read_store("named.parquet").embeddings, store.embeddings)


def test_a_name_that_a_terminal_would_obey_is_spelled_out(toy, monkeypatch, capsys) -> None:
    Path("photos", "a\x1b[2J\nb.jpg").write_text("no picture")
    assert embed(monkeypatch, "photos", EYE, "photos.parquet") == 0
    told = capsys.readouterr().err
    assert told.startswith("ucl: left out: photos/a\\x1b[2J\\nb.jpg: ")
    assert told.count("\n") == 2


def known_answers(sounds: list[str], photos: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Normalised scores [n, k] and shares [n, k, M], by the formula, in float64, from the files themselves."""
    a, b1 = unit([tone(Path(x)) for x in sounds]).double(), unit([word(x, 5) for x in WORDS]).double()
    c, b2 = unit([colour(Path(x)) for x in photos]).double(), unit([word(x, 4) for x in WORDS]).double()
    s, t = SCALES["ear"] * a @ b1.T, SCALES["eye"] * c @ b2.T
    terms = s[:, None] + t[None]
    size = np.log(len(WORDS))
    scores = terms.logsumexp(2) - s.logsumexp(1)[:, None] - t.logsumexp(1)[None] + size
    return scores.numpy(), terms.softmax(2).numpy()


def test_sounds_find_pictures_through_words(toy, monkeypatch, capsys) -> None:
    options = stores(monkeypatch)
    capsys.readouterr()
    assert run(monkeypatch, "search", "sounds", *options, "-k", "50", "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["query"] for one in found] == sorted(f"{name}.wav" for name in COLOURS)
    photos = read_store("photos.parquet").ids
    scores, shares = known_answers([f"sounds/{one['query']}" for one in found], [f"photos/{x}" for x in photos])
    for i, one in enumerate(found):
        places = [photos.index(name) for name in one["candidates"]]
        assert sorted(places) == list(range(len(photos)))  # all nine, though fifty were asked for
        assert np.allclose(one["scores"], scores[i, places], atol=1e-4)
        assert np.all(np.diff(one["scores"]) <= 0)
        for j, because in zip(places, one["because"], strict=True):
            assert np.allclose([x["share"] for x in because], np.sort(shares[i, j])[::-1][:3], atol=1e-5)
            assert np.allclose([shares[i, j, WORDS.index(x["sample"])] for x in because], [x["share"] for x in because])
    assert {one["query"]: Path(one["candidates"][0]).stem for one in found} == {f"{n}.wav": n for n in COLOURS}

    # A prepared bank knows the model of a query as its files do, and so it goes with one sound and as a table.
    assert run(monkeypatch, "bank", "build", "ear.parquet", "eye.parquet", "--out", "bank", "--no-progress") == 0
    capsys.readouterr()
    assert run(monkeypatch, "search", "sounds/blue.wav", *options[:2], "--bank", "bank", "-k", "1") == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split("  ")[-1] == "because"
    assert row.startswith("blue.wav  1     ")
    assert "blue and blue" in row


class Page(HTMLParser):
    """What a page shows, plays, links to and says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        self.said.append(data)

    def all(self, tag: str, attribute: str) -> list[str]:
        return [str(found[attribute]) for name, found in self.tags if name == tag and attribute in found]


def content(address: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(address.partition(";base64,")[2]))


def test_the_page_shows_and_plays_all_by_itself(toy, monkeypatch, capsys) -> None:
    options = stores(monkeypatch)
    play(Path("sounds/grey.wav"), "grey", 31)
    Path("out").mkdir()
    assert run(monkeypatch, "search", "sounds", *options, "--html", "out/page.html") == 0
    text = Path("out/page.html").read_text(encoding="utf-8")
    page = Page(text)
    pictures, sounds, links = page.all("img", "src"), page.all("audio", "src"), page.all("a", "href")
    assert (len(pictures), len(sounds), len(links)) == (4 * 9, 4, 4 * 10)
    assert all(x.startswith("data:image/jpeg;base64,") for x in pictures)
    assert all(x.startswith("data:audio/mpeg;base64,") for x in sounds)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "b"}
    assert "http" not in text
    photos = read_store("photos.parquet").ids
    files = [*Path("sounds").iterdir(), *(Path("photos", name) for name in photos)]
    assert {Path("out", unquote(link)).resolve() for link in links} == {path.resolve() for path in files}
    assert page.said.count(ODD) == 4
    assert text.count(">sub/<wbr>blue.png</a>") == 4
    # What is shown and played is what lies in the folders: the same size and colour, the same tone, at most 30 seconds.
    named = dict(zip(page.all("img", "alt"), pictures, strict=True))
    with Image.open(content(named["blue.jpg"])) as image:
        assert image.size == (40, 30)
        assert np.allclose(np.asarray(image).mean((0, 1)), COLOURS["blue"], atol=12)
    waves = {link: soundfile.read(content(sound)) for link, sound in zip(links[::10], sounds, strict=True)}
    for link, (wave, rate) in waves.items():
        loudest = np.fft.rfftfreq(len(wave), 1 / rate)[np.abs(np.fft.rfft(wave)).argmax()]
        assert abs(loudest - TONES[Path(link).stem]) < 4
    assert len(waves["../sounds/grey.wav"][0]) / rate == pytest.approx(30, abs=0.2)
    assert page.said.count("the first 30 seconds") == 1
    assert capsys.readouterr().err.endswith("MB\n")


def test_files_that_changed_since_are_told(toy, monkeypatch, capsys) -> None:
    options = stores(monkeypatch)
    paint(Path("photos/blue.jpg"), "red")
    Path("photos/red.jpg").unlink()
    capsys.readouterr()
    assert run(monkeypatch, "search", "sounds/blue.wav", *options, "--html", "page.html") == 0
    told = capsys.readouterr().err
    assert "ucl: blue.jpg: the file has changed since it was embedded; `ucl embed` brings photos.parquet up" in told
    assert "ucl: red.jpg: the file is gone" in told
    said = Page(Path("page.html").read_text(encoding="utf-8")).said
    assert (said.count("the file is gone"), said.count("the file has changed since it was embedded")) == (1, 1)


def test_a_store_leads_to_no_file_outside_its_folder(toy, monkeypatch) -> None:
    options = stores(monkeypatch)
    paint(Path("secret.jpg"), "red")
    store = read_store("photos.parquet")
    names = ["../secret.jpg", str(Path("secret.jpg").resolve()), *store.ids[2:]]
    states = dict.fromkeys(names, (1, 1))
    write_store(type(store)(store.info, names, store.embeddings), "photos.parquet", Made(EYE, Path("photos"), states))
    assert run(monkeypatch, "search", "sounds/blue.wav", *options, "--html", "page.html") == 0
    page = Page(Path("page.html").read_text(encoding="utf-8"))
    assert len(page.all("img", "src")) == 7
    assert not any("secret" in link for link in page.all("a", "href"))


@pytest.mark.filterwarnings("ignore::ucl.distilled.report.WeakStudentWarning")
def test_stores_say_their_scales_to_every_command(toy, monkeypatch, capsys) -> None:
    monkeypatch.setattr(distil, "Settings", partial(Settings, steps=2))  # among the bridges that are evaluated
    stores(monkeypatch)
    assert embed(monkeypatch, "sounds", EAR, "sounds.parquet") == 0
    for name in ("sounds", "photos", "ear", "eye"):
        rows = as_rows(f"{name}.parquet", name)
        np.savez(f"{name}.npz", embedding=rows.read(0, len(rows)).numpy(), id=np.array(rows.ids().to_pylist()))
    Path("pairs.csv").write_text("a,c\n" + "".join(f"{name}.wav,{name}.jpg\n" for name in COLOURS))
    scales = ["--ab-scale", SCALES["ear"], "--bc-scale", SCALES["eye"]]

    def both(command: list[str], *last: object) -> None:
        """The same answer from stores without scales as from arrays with them."""
        said = []
        for kind, more in (("parquet", []), ("npz", scales)):
            files = [f"{word}.{kind}" if word in ("sounds", "photos", "ear", "eye") else word for word in command]
            code = run(monkeypatch, *files, *more, *last)
            said.append((code, capsys.readouterr().out))
        assert said[0] == said[1]
        assert said[0][0] == 0
        assert said[0][1]

    capsys.readouterr()
    bank = ["--bank", "ear", "--bank-for-c", "eye"]
    both(["retrieve", "sounds", "photos", *bank], "-k", 3)
    both(["score", "sounds", "photos", *bank], "--out", "s.npz", "--no-progress")
    both(["explain", "red.wav", "red.jpg", "sounds", "photos", *bank])
    both(["evaluate", "sounds", "photos", *bank, "--pairs", "pairs.csv"], "--json")
    both(["check", "ear", "eye"], "--json")
    both(["bank", "build", "ear", "eye"], "--out", "bank", "--no-progress")
    stored = ["sounds.parquet", "photos.parquet", "--bank", "ear.parquet", "--bank-for-c", "eye.parquet"]
    assert run(monkeypatch, "diagnose", *stored, "--no-progress") == 2
    assert "at least 50" in capsys.readouterr().err  # which is said after the scales were found
    assert run(monkeypatch, "retrieve", *stored, "--ab-scale", 5) == 2
    assert "is of toy/ear, which learned the cosine critic with scale 9: got cosine with 5" in capsys.readouterr().err


MISTAKES = {
    "embed gone --model toy:eye --out x.parquet": "gone: no such file or folder",
    "embed empty --model toy:eye --out x.parquet": "empty holds 0 pictures and 0 sounds; expected pictures for toy:eye",
    "embed sounds --model toy:eye --out x.parquet": "sounds holds 0 pictures and 4 sounds; expected pictures",
    "embed photos --model toy:ear --out x.parquet": "expected sounds for toy:ear",
    "embed bad.jpg --model toy:eye --out x.parquet": "none of 1 files could be read; first: bad.jpg: ",
    "embed blank.txt --model toy:eye --out x.parquet": "blank.txt: no text in it",
    "embed latin.txt --model toy:eye --out x.parquet": "latin.txt:2: not UTF-8",
    "embed table.csv --model toy:eye --out x.parquet": "table.csv:1: expected one column `text` or `caption`",
    "embed twice.csv --model toy:eye --out x.parquet": "twice.csv: row 2: expected an id that no other row has",
    "embed photos.parquet --model toy:eye --out x.parquet": "photos.parquet: embeddings; expected a folder of pictures",
    "embed photos --model clip --out x.parquet": "--model must be LIBRARY:MODEL:WEIGHTS, such as open_clip:ViT-B-32",
    "embed photos --model precomputed:any:here --out x.parquet": "precomputed embeddings are made already",
    "embed photos --model toy:eye --out x.npy": "--out must end in .parquet: got x.npy",
    "embed photos --model toy:eye --out eye.parquet": "eye.parquet holds embeddings of texts; name another file",
    "embed photos --model toy:eye:new --out photos.parquet": "of toy/eye with other weights; name another file",
    "embed photos --model toy:eye --out plain.parquet": "plain.parquet: not an embedding store",
    "embed photos --model toy:eye --out texts.txt/x.parquet": "Not a directory",
    "search gone.wav {}": "gone.wav: no such file; expected a folder of pictures or sounds",
    "search note.pdf {}": "note.pdf: no media by its name; expected a folder",
    "search bad.wav {}": "bad.wav: ",
    "search photos/red.jpg {}": "photos/red.jpg: pictures; expected sounds for queries of toy:ear",
    "search texts.txt {}": "texts.txt: texts; expected sounds for queries of toy:ear",
    "search photos.parquet {}": "photos.parquet holds embeddings: use `ucl retrieve photos.parquet photos.parquet",
    "search sounds --candidates photos.parquet": "--bank is missing: it says which model embeds sounds",
    "search sounds --candidates gone.parquet --bank ear.parquet": "no such file or folder: gone.parquet",
    "search sounds --candidates photos.parquet --bank texts.txt": "texts.txt holds texts: embed them by both models",
    "search sounds --candidates photos.parquet --bank eye.parquet --bank-for-c ear.parquet": "photos.parquet is of "
    "toy/eye, ear.parquet of toy/ear: embed both with one model, or change the sides of the bank",
    "search sounds --candidates photos.parquet --bank ear.parquet --bank-for-c new.parquet": "photos.parquet is of "
    "toy/eye, new.parquet of toy/eye with other weights",
    "search sounds --candidates photos.parquet --bank plain.npy --bank-for-c eye.parquet": "plain.npy does not say",
    "search sounds {} --html photos.parquet": "photos.parquet would overwrite photos.parquet, which is read",
    "search sounds {} --device tpu9": "--device tpu9: ",
    "retrieve photos.parquet photos.parquet --bank photos.parquet": "are both of image",
}


def test_mistakes_are_one_line(toy, monkeypatch, capsys) -> None:
    options = " ".join(stores(monkeypatch))
    assert embed(monkeypatch, "texts.txt", "toy:eye:new", "new.parquet") == 0
    Path("empty").mkdir()
    for name in ("bad.jpg", "bad.wav", "note.pdf"):
        Path(name).write_text("nothing")
    Path("blank.txt").write_text("\n \n")
    Path("latin.txt").write_bytes(b"one\ncaf\xe9\n")
    Path("table.csv").write_text("id,name\n1,red\n")
    Path("twice.csv").write_text("id,text\na,red\na,blue\n")
    rows = as_rows("ear.parquet", "ear")
    np.save("plain.npy", rows.read(0, len(rows)).numpy())
    import pandas as pd

    pd.DataFrame({"x": [1.0]}).to_parquet("plain.parquet")
    kept = {path: path.is_file() and path.read_bytes() for path in Path().iterdir()}
    capsys.readouterr()
    for words, expected in MISTAKES.items():
        assert run(monkeypatch, *words.format(options).split(), "--no-progress") == 2, words
        told = capsys.readouterr().err
        assert expected in told, (words, told)
        assert told.startswith("ucl: ") and told.count("\n") == 1, words  # noqa: PT018
    assert {path: path.is_file() and path.read_bytes() for path in Path().iterdir()} == kept


def test_names_of_models_and_their_files(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.pt").write_text("")
    assert ModelName.parse("open_clip:ViT-B-32:laion2b_s34b_b79k") == ModelName(
        "open_clip", "ViT-B-32", "laion2b_s34b_b79k"
    )
    assert ModelName.parse("open_clip:hf-hub:owner/name") == ModelName("open_clip", "hf-hub:owner/name")
    assert str(ModelName.parse("open_clip:local-dir:tiny")) == f"open_clip:local-dir:{tmp_path.resolve() / 'tiny'}"
    assert str(ModelName.parse("laion_clap:HTSAT-tiny:w.pt")) == f"laion_clap:HTSAT-tiny:{tmp_path.resolve() / 'w.pt'}"
    assert str(ModelName.parse("laion_clap:HTSAT-tiny")) == "laion_clap:HTSAT-tiny"


def test_a_store_finds_its_folder_where_both_were_moved(toy, monkeypatch) -> None:
    stores(monkeypatch)
    Path("moved").mkdir()
    Path("photos").rename("moved/photos")
    Path("photos.parquet").rename("moved/photos.parquet")
    made = read_made("moved/photos.parquet")
    assert made.folder.resolve() == Path("moved/photos").resolve()
    assert made.states["red.jpg"][0] == Path("moved/photos/red.jpg").stat().st_size
    assert read_info("moved/photos.parquet").modality == "image"
    assert RATE == 8000
