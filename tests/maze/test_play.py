"""The command `ucl maze`: what it lists, draws and refuses."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ucl.cli.app import app, main
from ucl.maze import layouts, play
from ucl.maze.models import MazeModel
from ucl.runtime import generator
from ucl.tensors import write_tensors


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Untrained weights of the umaze's size: enough to walk with."""
    words = len(play.Agents.tokenizer_of(layouts.get("umaze")))
    model = MazeModel([generator(0)], words, "squared_l2", 16, 4)
    write_tensors(model.state_dict(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_list_names_every_maze() -> None:
    result = CliRunner().invoke(app, ["maze", "list"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(layouts.MAZES)


def test_play_draws_both_agents(weights: Path) -> None:
    result = CliRunner().invoke(
        app, ["maze", "play", "umaze", "--weights", str(weights), "--limit", "9"], "the last row\n"
    )
    assert result.exit_code == 0, result.exception
    assert "direct" in result.stdout
    assert result.stdout.count("L ") == 1


def test_play_saves_an_animation(weights: Path, tmp_path: Path) -> None:
    file = tmp_path / "walk.gif"
    arguments = ["maze", "play", "umaze", "the last row", "--start", "0.5,0.5", "--weights", str(weights)]
    assert CliRunner().invoke(app, [*arguments, "--save", str(file), "--limit", "5"]).exit_code == 0
    with Image.open(file) as image:
        assert image.n_frames >= 6
    assert file.stat().st_size < 1_000_000


def test_an_agent_that_found_its_own_way_can_be_played(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"rounds": 2, "episodes": 16, "goals": 4, "steps": 3}
    monkeypatch.setattr(play, "QUICK_ROUNDS", replace(play.QUICK_ROUNDS, **tiny))
    monkeypatch.setattr(play, "WORD_STEPS", 3)
    monkeypatch.setattr("ucl.maze.play.oracle_trajectories", None)  # no oracle is asked
    arguments = ["maze", "play", "umaze", "the last row", "--agent", "explored", "--limit", "9"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.exception
    assert result.stdout.count("L ") == 1


def test_text_frame_shows_walls_goal_agent_and_trail() -> None:
    layout = layouts.get("umaze")
    frame = play.text_frame(layout, "the last row", {"direct": np.array([[0.5, 0.5], [1.5, 0.5]])}, 1).splitlines()
    assert frame[2:5] == ["█··D   █", "█████  █", "█░░░░░░█"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["moon"], "unknown"),
        (["umaze", "the last row", "--agent", "wise"], "--agent 'wise': unknown; allowed: oracle, explored"),
        (["umaze", "--agent", "explored", "--weights", "w"], "--weights w: an explored agent is trained on the spot"),
        (["umaze", "the moon"], "outside the grammar"),
        (["umaze", "the last row", "--start", "here"], "two numbers"),
        (["umaze", "the last row", "--start", "nan,1"], "two numbers"),
        (["umaze", "the last row", "--start", "0.5,1.5"], "in a wall of maze umaze or outside it"),
        (["umaze", "the last row", "--save", "walk.txt"], "a .gif"),
        (["umaze", "the last row", "--weights", "nowhere"], "no weights at nowhere"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ucl", "maze", "play", *arguments])
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
