"""`ucl params`: what the shipped file means, and one line for every file that cannot be meant."""

import json
from itertools import pairwise
from pathlib import Path

import command
import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "params.yaml").read_text()


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    return command.run(monkeypatch, "params", *words)


def refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], message: str, *words: str) -> None:
    assert run(monkeypatch, *words) == 2
    told = capsys.readouterr()
    assert told.err.startswith("ucl: ")
    assert message in told.err
    assert told.err.count("\n") == 1
    assert len(told.err) < 5000
    assert told.out == ""


def leaves(value: object, prefix: str = "") -> dict[str, object]:
    """Every key of the file with its value, sections and tables of sections unfolded."""
    if isinstance(value, dict) and value:
        return {k: v for name, inner in value.items() for k, v in leaves(inner, f"{prefix}.{name}".lstrip(".")).items()}
    return {prefix: value}


def test_every_key_of_the_shipped_file_is_explained(monkeypatch, capsys) -> None:
    assert run(monkeypatch, str(ROOT / "params.yaml"), "--json") == 0
    told = {row["key"]: row["value"] for row in json.loads(capsys.readouterr().out)}
    assert told == leaves(yaml.safe_load(PAPER))
    assert run(monkeypatch, str(ROOT / "params.yaml")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(told)
    assert all(line.startswith("    ") and line.strip() for line in lines[1::2])


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in pairwise("abcdefghijkl")
)
SEED_TWICE = PAPER.replace("  seeds: 20\n", "  seeds: 20\n  seeds: 2\n", 1)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"synthetic: {seeds: 3", "line 1, column 21: expected ',' or '}'"),
        (b"synthetic:\n\tseeds: 3\n", "line 2, column 1: found character '\\t' that cannot start any token"),
        (b"synthetic: !!python/object:os.system {}", "could not determine a constructor for the tag"),
        (b"synthetic: !secret 3", "could not determine a constructor for the tag '!secret'"),
        (b"synthetic: \xff\xfe", "byte 11 is not UTF-8: save the file as UTF-8"),
        (b"synthetic: \x00", "special characters are not allowed"),
        (b"- synthetic\n- scaling\n", "expected sections of keys and values, got a list"),
        (b"just words", "expected sections of keys and values, got a str"),
        (b"---\na: 1\n---\nb: 2\n", "but found another document"),
        (b"a: 2001-99-99", "month must be in 1..12"),
        (b"? [a, b]\n: 1\n", "found unhashable key"),
        (b"a: " + b"[" * 5000, "nested too deeply"),
        (BOMB.encode(), "line 2, column 8: aliases (*name) are not taken: write the value out"),
        (b"", "synthetic: missing; add it"),
        (b"1: 2", "line 1, column 1: key 1 is not a name"),
        (b"synthetic: {yes: 2}", "line 1, column 13: key yes is not a name"),
        (b'"a\\nb": 1', "'a\\nb' = 1: unknown key; allowed: synthetic,"),
        (PAPER.encode() + b"\nsynthetic: {}\n", "duplicate key 'synthetic': give it once"),
        (SEED_TWICE.encode(), "line 5, column 3: duplicate key 'seeds'"),
        (b"synthetic: {critics: [" + b"x, " * 5000 + b"]}", "and "),
    ],
)  # fmt: skip
def test_what_is_no_parameter_file_is_one_line(tmp_path, monkeypatch, capsys, content, message) -> None:
    (tmp_path / "p.yaml").write_bytes(content)
    refuses(monkeypatch, capsys, message, str(tmp_path / "p.yaml"))


def test_a_folder_and_a_missing_file_are_one_line(tmp_path, monkeypatch, capsys) -> None:
    refuses(monkeypatch, capsys, f"{tmp_path}: Is a directory", str(tmp_path))
    refuses(monkeypatch, capsys, "nowhere.yaml does not exist", str(tmp_path / "nowhere.yaml"))
    refuses(monkeypatch, capsys, "File name too long", "n" * 300)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("scaling.models", {"../..": {}}, "scaling.models.../...[key] = '../..': string should match pattern"),
        ("scaling.models", {"": {}}, "string should match pattern"),
        ("scaling.models", {"a/b": {}}, "string should match pattern"),
        ("scaling.models", {"a\n": {}}, "string should match pattern"),
        ("scaling.files", {".hidden": "x"}, "string should match pattern"),
        ("scaling.models.image.dim", 3, "scaling.models.image.dim = 3: unknown key; did you mean dims? allowed: dims,"),
        ("synthetic.critics", ["l2", "dot", "l2"], "synthetic.critics = ['l2', 'dot', 'l2']: 'l2' is repeated"),
        ("synthetic_grid.log_scale", [0.1, 0.1], "0.1 is repeated: list it once"),
        ("synthetic_grid.dimension", [2, 2], "2 is repeated"),
        ("synthetic_grid.norm_penalty", [0.0, -0.0], "-0.0 is repeated"),
        ("disparate.dimensions_bc", [8, 8], "8 is repeated"),
        ("independence.shared_noise", [1.0, 1.0], "1.0 is repeated"),
        ("marginals.critics", ["l2", "l2"], "'l2' is repeated"),
        ("marginals.sphere.dimensions", [2, 2], "2 is repeated"),
        ("marginals.gaussian.dimensions", [2, 2], "2 is repeated"),
        ("peers.scenes", ["xor", "xor"], "'xor' is repeated"),
        ("bridging.suites", ["digits", "digits"], "'digits' is repeated"),
        ("bridging.candidates", [10, 10], "10 is repeated"),
        ("bridging.bank_sizes", [4, 4], "4 is repeated"),
        ("bridging.voices.test", ["m1", "m1"], "'m1' is repeated"),
        ("bridging.voices.test", ["m1", "m5"], "validation and test must be apart: both hold m5"),
        ("maze.mazes", ["fork", "fork"], "'fork' is repeated"),
        ("maze.banks", [4, 4], "4 is repeated"),
        ("synthetic.log_scale", 1e20, "synthetic.log_scale = 1e+20: input should be less than or equal to 10"),
        ("scaling.log_scale", -1e20, "scaling.log_scale = -1e+20: input should be greater than or equal to -10"),
        ("synthetic_grid.log_scale", [float("nan")], "input should be a finite number"),
        ("synthetic.learning_rate", 1e300, "input should be less than or equal to 1000000"),
        ("synthetic.decay_epoch", 33, "synthetic: decay_epoch must be at most epochs (32): got 33"),
        ("scaling.decay_epoch", 33, "scaling: decay_epoch must be at most epochs (32): got 33"),
        ("media.image_text.modle", "x", "did you mean model?"),
        ("media.manifest", "", "media.manifest = '': string should have at least 1 character"),
    ],
)
def test_a_value_that_fails_later_is_refused_at_once(tmp_path, monkeypatch, capsys, key, value, message) -> None:
    config = yaml.safe_load(PAPER)
    *path, last = key.split(".")
    section = config
    for part in path:
        section = section[part]
    section[last] = value
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(config))
    refuses(monkeypatch, capsys, message, str(tmp_path / "p.yaml"))
