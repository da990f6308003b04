"""Language-conditioned navigation: mazes, their words, and the agents that act on them (section 6.3).

Importing this package registers the Gymnasium environments: `ucl/LanguageMaze-v0` (any maze, by name or text map) and
one for each maze, such as `ucl/LanguageMaze-Fork-v0`.
"""

from gymnasium.envs.registration import register, registry

__all__ = ["HORIZONS"]

# Steps until an episode is cut off: about four times the longest shortest path.
HORIZONS = {
    "blank": 100,
    "slit": 100,
    "blocker": 120,
    "island": 120,
    "fork": 250,
    "pyramid": 350,
    "nested_pyramid": 250,
    "umaze": 50,
    "medium": 100,
    "large": 150,
}
TITLES = {"umaze": "UMaze"}


def _register(name: str, steps: int, **kwargs: str) -> None:
    register(
        id=f"ucl/LanguageMaze{name}-v0",
        entry_point="ucl.maze.environment:LanguageMaze",
        vector_entry_point="ucl.maze.vector:LanguageMazeVector",
        max_episode_steps=steps,
        kwargs=kwargs,
    )


if "ucl/LanguageMaze-v0" not in registry:
    _register("", max(HORIZONS.values()))
    for maze, steps in HORIZONS.items():
        _register("-" + TITLES.get(maze, maze.title().replace("_", "")), steps, maze=maze)
