"""Agents that find their own way where a state may have velocities: environments of others, many points at once."""
