"""Language-conditioned navigation: mazes, their words, and the agents that act on them (section 6.3)."""
