"""Language-conditioned navigation: mazes, their words, and the agents that act on them (section 6.3).

Importing this package registers the Gymnasium environments: `ucl/LanguageMaze-v0` (any maze, by name or text map) and
one for each maze, such as `ucl/LanguageMaze-Fork-v0`.
"""

from ucl.extras import needs

needs("maze", "gymnasium", "pandas", "scipy")

from gymnasium.envs.registration import register, registry  # noqa: E402

from ucl.maze.layouts import MAZES  # noqa: E402

__all__ = ["environment_id"]

TITLES = {"umaze": "UMaze"}


def environment_id(maze: str | None) -> str:
    """The Gymnasium id of a maze by its name, or that for any maze."""
    return f"ucl/LanguageMaze-{TITLES.get(maze, maze.title().replace('_', ''))}-v0" if maze else "ucl/LanguageMaze-v0"


def _register(maze: str | None, steps: int) -> None:
    register(
        id=environment_id(maze),
        entry_point="ucl.maze.environment:LanguageMaze",
        vector_entry_point="ucl.maze.vector:LanguageMazeVector",
        max_episode_steps=steps,
        kwargs={"maze": maze} if maze else {},
    )


if environment_id(None) not in registry:
    _register(None, max(known.horizon for known in MAZES.values()))
    for maze, known in MAZES.items():
        _register(maze, known.horizon)
