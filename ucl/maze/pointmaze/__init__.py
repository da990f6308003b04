"""PointMaze in MuJoCo, of Gymnasium-Robotics and of OGBench, as a world of points (`ucl.maze.points`)."""

from ucl.extras import needs

needs("pointmaze", "gymnasium_robotics", "mujoco", "ogbench")
