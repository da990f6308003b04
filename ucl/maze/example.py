"""The paper's example: the fork, an ambiguous instruction, and where the agent stands when it hears it (Fig. 11)."""

__all__ = ["INSTRUCTION", "MAZE", "START"]

MAZE, INSTRUCTION, START = "fork", "the first column", (4.5, 6.5)
