"""PointMaze in MuJoCo, the environments of others: dense physics, in which the same agent finds its own way."""

from ucl.extras import needs

needs("pointmaze", "gymnasium_robotics", "mujoco", "ogbench")
