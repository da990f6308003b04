"""The examples of the documentation run, one after the other, as a reader would run them."""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
import typer.main
import yaml
from command import run
from PIL import Image
from safetensors.torch import save
from small_models import TINY, cache, published, saved, small_clap, small_roberta, tiny_clip

from ucl import Cosine
from ucl.cli.app import app
from ucl.distilled import distil
from ucl.distilled.training import Settings
from ucl.files import read_json
from ucl.media import hub
from ucl.media.encoders import load_encoders
from ucl.media.store import read_store
from ucl.peers import PEERS
from ucl.reporting.names import METHOD_LABELS
from ucl.trust.diagnose import LEFT_OUT
from ucl.trust.ways import WAYS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def examples(page: Path) -> list[str]:
    blocks = re.findall(r"```(?:python| \{\.python\})\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [re.sub(r'--8<-- "(.*)"', lambda file: (ROOT / file[1]).read_text("utf-8"), block) for block in blocks]


def run_examples(page: str, count: int, **names: Any) -> dict[str, Any]:
    """What the examples of a page have defined in the end; `names` is what its reader has."""
    blocks = examples(DOCS / page)
    assert len(blocks) == count
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return names


def test_every_page_with_examples_is_run() -> None:
    run = set(re.findall(r'run_examples\("(.*?)"', Path(__file__).read_text("utf-8")))
    assert {(DOCS / page).resolve() for page in run} == {page for page in PAGES if examples(page)}
    fences = {
        fence for page in PAGES for fence in re.findall(r"^ *(```+|~~~+)(.*)$", page.read_text("utf-8"), re.MULTILINE)
    }
    assert fences <= {("```", language) for language in ("", "python", " {.python}", "sql")}


def embeddings(seed: int, rows: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width), np.float32)


def test_the_example_of_the_first_page_finds_images_of_the_same_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distil, "Settings", partial(Settings, steps=40))
    names = run_examples("index.md", 1)
    assert names["found"].level == "ok"
    assert names["diagnosis"].verdict == "bridge"
    found, asked = names["shown"][names["best"].indices], names["heard"][:3, None]
    assert (found == asked).mean() >= 0.8  # by chance 1 / 24
    why = names["bridge"].explain(names["sounds"][0], names["images"][names["best"].indices[0, 0]], top=3)
    assert set(why.names) == {names["CAPTIONS"][asked[0, 0]]}


@pytest.mark.filterwarnings("ignore::ucl.ThinBankWarning")  # of noise
def test_the_example_of_the_readme() -> None:
    bank = {"text_in_clap": embeddings(0, 300, 6), "text_in_clip": embeddings(1, 300, 8)}
    names = run_examples("../README.md", 1, sounds=embeddings(2, 5, 6), images=embeddings(3, 12, 8), **bank)
    assert np.array_equal(names["best"].indices, np.argsort(-names["result"].scores, axis=1)[:, :10])


def docstrings() -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / "ucl").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield path, ast.get_docstring(node) or ""


def test_the_one_example_of_a_docstring() -> None:
    code = r"^(?: {4}|>>> )(?:from|import) .*\n(?:(?: {4}|>>> ).*\n?)*"
    found = {
        path: re.findall(code, text, re.MULTILINE) for path, text in docstrings() if re.search(code, text, re.MULTILINE)
    }
    (example,) = found.pop(ROOT / "ucl/peers/__init__.py")
    assert not found
    spaces = {"for_a": torch.from_numpy(embeddings(0, 90, 6)), "for_c": torch.from_numpy(embeddings(1, 90, 8))}
    asked = {"a": torch.from_numpy(embeddings(2, 5, 6)), "c": torch.from_numpy(embeddings(3, 12, 8))}
    names = {**spaces, **asked, "ab": Cosine(5.0), "bc": Cosine(5.0)}
    exec("\n".join(line[4:] for line in example.splitlines()), names)
    assert names["best"].indices.shape == (5, 5)


def command_lines(page: Path) -> list[str]:
    """What a page tells its reader to type: lines of its blocks, and words in its text."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    programs = "ucl|make|snakemake|python"
    lines = re.findall(rf"^ {{4}}((?:{programs}) .*)$", text, re.MULTILINE)
    return lines + re.findall(rf"`((?:{programs}) [^`]*)`", text.replace("``", "`"))


def options_of(words: list[str]) -> set[str]:
    """The options of the command that these words call; fails where there is none."""
    command, known = typer.main.get_command(app), {"--help"}
    while hasattr(command, "commands") and words:
        assert words[0] in command.commands, f"ucl has no command {words[0]}"
        command = command.commands[words.pop(0)]
    return known.union(*(parameter.opts + parameter.secondary_opts for parameter in command.params))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_tells_to_type_exists(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    rules = {path.stem for path in (ROOT / "workflow/rules").glob("*.smk")} | {"all"}
    for line in command_lines(page):
        program, *words = shlex.split(line, comments=True)
        if program == "ucl":
            known = options_of(words)
            assert {word for word in words if word.startswith("-")} <= known, line
        elif program == "make":
            assert set(words) <= set(targets), line
        elif program == "snakemake" and words[:2] == ["--cores", "all"] and len(words) == 3:
            assert words[2] in rules, line
        elif program == "python":
            where = words[1].replace(".", "/") if words[0] == "-m" else words[0]
            assert (ROOT / where).exists() or (ROOT / where).with_suffix(".py").exists(), line


def test_options_that_pages_name_exist() -> None:
    def every(command: Any) -> set[str]:
        own = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        return own.union(*(every(inner) for inner in getattr(command, "commands", {}).values()))

    named = {option for page in PAGES for option in re.findall(r"`(--[a-z-]+)[^`]*`", page.read_text(encoding="utf-8"))}
    assert named - every(typer.main.get_command(app)) <= {
        "--directory",
        "--resources",
        "--software-deployment-method",
    }  # Snakemake's


def test_the_readme_says_what_was_measured() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    metrics = {path.stem: read_json(path) for path in (ROOT / "reports/metrics").glob("*.json")}
    headlines = {path.stem: read_json(path) for path in (ROOT / "reports/headlines").glob("*.json")}

    def told(found: dict[str, float], spread: str) -> str:
        return f"{found['recall_at_1']:.3f} ± {found[spread]:.3f}"

    digits, cosine = metrics["bridging"]["digits"]["audio_to_image"], metrics["synthetic"]["published"]["cosine"]
    bridge, direct, trained = (
        told(digits[name], "ci95") for name in ("monte_carlo_disparate", "direct_disparate", "ground_truth")
    )
    boxes, diagnosis, joined = headlines["disparate"], headlines["diagnosis"], metrics["peers"]["disparate"]
    peers = pd.read_csv(ROOT / "reports/tables/peers_all.csv")
    behind = peers[(peers.method == "distilled") & (peers.world != "xor")].behind_best.max()
    for sentence in (
        f"{bridge} by LogSumExp, {direct} directly",
        f"such pairs reaches {trained}",
        f"finds {boxes['bridge']:.3f} where the exact answer is {boxes['exact']:.3f}",
        f"find {told(joined['distilled'], 'ci95')} with two black boxes",
        f"LogSumExp finds {told(joined['monte_carlo_normalized'], 'ci95')}",
        f"trained on true pairs {told(joined['ceiling'], 'ci95')}",
        f"at most {behind:.3f} above them",
        f"from {told(cosine['monte_carlo_unscaled'], 'sd')} to {told(cosine['monte_carlo'], 'sd')}",
        f"loses {diagnosis['mean_regret']:.3f} of recall",
        f"and {diagnosis['worst_regret']:.3f} in the worst",
        f"off by {diagnosis['prediction_error']:.3f}",
    ):
        assert sentence in text, f"README.md must say: {sentence}"


def test_every_method_that_diagnose_prints_is_in_its_table() -> None:
    rows = re.findall(r"^\| (`.*`) \| (.*) \| (.*) \|$", (DOCS / "diagnose.md").read_text("utf-8"), re.MULTILINE)
    named = {name: row for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert named.keys() == {peer.name for peer in PEERS} - set(LEFT_OUT)
    for peer in PEERS:
        if peer.name in named:
            _, labels, use = named[peer.name]
            assert METHOD_LABELS[peer.name].partition(",")[0] in labels
            assert peer.name in WAYS or f"{peer.__name__}`" in use


def test_the_paper_is_named_alike_everywhere() -> None:
    (paper,) = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["references"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    authors = " and ".join(f"{author['given-names']} {author['family-names']}" for author in paper["authors"])
    assert f"[{paper['title']}]({paper['url']})" in text
    (preprint,) = paper["identifiers"]
    assert f"by {authors} (ICLR {paper['year']}, {preprint['value'].replace(':', ' ')})" in text
    assert paper["url"].endswith(preprint["value"].removeprefix("arXiv:"))


def test_the_site_builds_without_warnings_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", ROOT / "mkdocs.yml", "-d", tmp_path]
    done = subprocess.run(build, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    fetched = (
        r"""<(?:script|img|iframe|source)[^>]*src="?(?:https?:)?//|<link[^>]*href="?(?:https?:)?//|url\(["']?http"""
    )
    pages = [path for kind in ("*.html", "*.css") for path in tmp_path.rglob(kind)]
    assert not [path.name for path in pages if re.search(fetched, path.read_text(encoding="utf-8"))]
    rooms = {path.parent.name for path in (ROOT / "ucl").glob("*/__init__.py")} - {"cli", "experiments", "reporting"}
    assert {path.stem for path in (tmp_path / "api").glob("*.html")} == rooms | {"index"}
    assert 'id="ucl.Bridge.retrieve"' in (tmp_path / "api/index.html").read_text(encoding="utf-8")


def test_the_examples_of_the_bridge_agree() -> None:
    names = run_examples("bridge.md", 5)
    expected = names["result"].scores
    tolerance = 2 * 5e-7 * 118.6  # of two answers, each within it
    assert np.abs(names["whole"].scores - expected).max() <= tolerance
    assert np.abs(names["scores"] - expected[:1]).max() <= tolerance
    assert np.array_equal(names["best"].indices, np.argsort(-expected, axis=1)[:, :3])


def test_the_examples_of_the_diagnosis_join_two_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distil, "Settings", partial(Settings, steps=40))  # the distilled bridge among the methods
    names = run_examples("diagnose.md", 2)
    assert names["found"].verdict == names["surer"].verdict == "bridge"
    assert names["surer"].known.p_value > 0.01


def test_the_page_on_the_diagnosis_says_what_was_measured() -> None:
    page, metrics = (DOCS / "diagnose.md").read_text(), read_json(DOCS.parent / "reports/metrics/diagnosis.json")
    regrets = [choice["regret"] for choice in metrics["choice"].values()]
    assert f"loses {sum(regrets) / len(regrets):.3f} of Recall@1" in page
    assert f"and {max(regrets):.3f} in the worst world" in page
    assert f"off by {metrics['predicted']['mean_absolute_error']:.3f} on average" in page
    assert f"{metrics['predicted']['coverage']:.1%} of".replace("%", " %") in page
    assert read_json(DOCS.parent / "reports/headlines/diagnosis.json")["wrong_direct"] == 0


def test_the_examples_of_the_check_find_what_is_wrong() -> None:
    names = run_examples("check.md", 1)
    assert names["found"]["order"].level == "ok"
    assert names["shuffled"]["order"].level == "error"


@pytest.mark.filterwarnings("ignore::ucl.distilled.report.WeakStudentWarning")  # of noise there is little to learn
def test_the_examples_of_the_distilled_bridge_agree() -> None:
    names = run_examples("distilled.md", 5)
    assert names["found"].ids == names["again"].ids == names["parts"].ids
    assert set(names["best"]) == set(np.asarray(names["found"].indices)[0])


@pytest.mark.filterwarnings("ignore::ucl.distilled.report.WeakStudentWarning")
@pytest.mark.parametrize("page", ["distilled.md", "cluster.md"])
def test_the_commands_of_an_index_in_shards_answer_as_one_index(page: str, monkeypatch, capsys) -> None:
    columns = pa.FixedSizeListArray.from_arrays(pa.array(embeddings(0, 300, 8).ravel()), 8)
    for name in ("b", "c", "queries"):
        pq.write_table(pa.table({"id": [f"{name}{i}" for i in range(300)], "x": columns}), f"{name}.parquet")
    np.save("queries.npy", embeddings(0, 300, 8))
    scales = ["--ab-scale", "18.6", "--bc-scale", "100"]
    words = ["c.parquet", "c.parquet", "--bank", "b.parquet", *scales, "--steps", "20", "--out", "student.safetensors"]
    assert run(monkeypatch, "distill", *words) == 0
    assert run(monkeypatch, "bank", "build", "b.parquet", *scales, "--out", "bank") == 0
    assert run(monkeypatch, "index", "build", "student.safetensors", "c.parquet", "--out", "whole") == 0
    section = (DOCS / page).read_text("utf-8").partition("## An index in shards")[2].partition("\n## ")[0]
    searches = 0
    for line in re.findall(r"^ {4}((?:ucl|sbatch) .*)$", section, re.MULTILINE):
        for words in jobs(line):
            capsys.readouterr()
            assert run(monkeypatch, *words) == 0
            if words[0] == "search":
                found, searches = capsys.readouterr().out, searches + 1
                kept = [word for i, word in enumerate(words) if "--candidates" not in words[max(0, i - 1) : i + 1]]
                assert run(monkeypatch, *kept, "--candidates", "whole") == 0
                assert found == capsys.readouterr().out
    assert searches


def jobs(line: str) -> list[list[str]]:
    """The words after `ucl` of a command, or of all jobs of an array."""
    words = shlex.split(line)
    if words[0] == "ucl":
        return [words[1:]]
    first, last = re.fullmatch(r"--array=(\d+)-(\d+)", words[1]).groups()
    numbers = range(int(first), int(last) + 1)
    return [shlex.split(words[3].replace("$SLURM_ARRAY_TASK_ID", str(number)))[1:] for number in numbers]


def test_the_examples_of_the_maze_leave_walks_and_an_animation(tmp_path: Path) -> None:
    assert run_examples("maze.md", 9)["walks"].lengths.shape == (100,)
    assert (tmp_path / "walk.gif").stat().st_size > 1000


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models that the page on media names, small, in the hub's cache: ViT-B-32 of another width and depth."""
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    clip = tiny_clip()
    monkeypatch.setitem(sys.modules["open_clip"].factory._MODEL_CONFIGS, "ViT-B-32", TINY)
    cache(
        tmp_path / "hub",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        {"open_clip_model.safetensors": save(clip.state_dict())},
    )
    cache(tmp_path / "hub", "roberta-base", small_roberta(tmp_path))
    cache(tmp_path / "hub", "lukewys/laion_clap", {"630k-audioset-best.pt": saved(published(small_clap()), tmp_path)})


def walk(page: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the commands that a page begins with; how many."""
    first = (DOCS / page).read_text(encoding="utf-8").partition("    ucl ")
    commands = [line.split()[1:] for line in (first[1] + first[2]).partition("\n\n")[0].splitlines()]
    for words in commands:
        assert run(monkeypatch, *words) == 0
    return len(commands)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's old readers
def test_the_page_on_media_leads_from_two_folders_to_a_page(models: None, monkeypatch, capsys) -> None:
    rng = np.random.default_rng(1)
    Path("photos/trip").mkdir(parents=True)
    Path("sounds").mkdir()
    for name in ("dog.jpg", "trip/tram.png", "trip/rain.webp"):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(Path("photos", name))
    for name in ("bark.wav", "bell.flac"):
        soundfile.write(Path("sounds", name), rng.normal(0, 0.1, 48_000), 48_000)
    texts = [
        f"{what} in {where}" for what in ("a dog", "rain", "a tram") for where in ("a street", "a yard", "the hills")
    ]
    Path("captions.txt").write_text("\n".join(texts))
    assert walk("media.md", monkeypatch) == 5
    rows = capsys.readouterr().out.splitlines()[-6:]
    assert [row.split()[:2] for row in rows] == [[x, str(k)] for x in ("bark.wav", "bell.flac") for k in (1, 2, 3)]
    # The oracle: the embeddings, the scales that the checkpoints were made with, and the formula.
    clap, clip, photos = (read_store(f"{x}.parquet") for x in ("captions.clap", "captions.clip", "photos"))
    query = load_encoders("laion_clap", "HTSAT-tiny", "630k-audioset-best.pt", torch.device("cpu"))["audio"]
    sounds = query.encode([Path("sounds/bark.wav"), Path("sounds/bell.flac")]).double()
    s, t = 18.6 * sounds @ clap.embeddings.double().T, 43.5 * photos.embeddings.double() @ clip.embeddings.double().T
    scores = (s[:, None] + t).logsumexp(2) - s.logsumexp(1)[:, None] - t.logsumexp(1) + np.log(len(texts))
    for i, sound in enumerate(("bark.wav", "bell.flac")):
        found = {row.split()[2]: float(row.split()[3]) for row in rows if row.startswith(sound)}
        assert found == pytest.approx(dict(zip(photos.ids, scores[i].tolist(), strict=True)), abs=1e-3)
    page = Path("answers.html").read_text(encoding="utf-8")
    assert (page.count("<audio"), page.count("<img"), page.count('class="why"')) == (2, 6, 6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's old readers
def test_the_examples_of_the_page_on_media(models: None, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write("dog.wav", rng.normal(0, 0.1, 16_000), 16_000)
    for name in ("dog.jpg", "tram.jpg"):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(name)
    names = run_examples("media.md", 2)
    store = read_store("folder/audio.parquet")
    assert (store.ids, store.info) == (names["ids"], names["info"])
    assert torch.equal(store.embeddings, names["embeddings"])
    assert names["scores"].shape == (1, 2)
    assert names["bridge"].ab.scale == pytest.approx(18.6)
    assert names["bridge"].bc.scale == pytest.approx(43.5)
