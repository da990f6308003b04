"""Contrastive reinforcement learning in a maze: an agent that learns from its own walks, without oracle or reward."""
