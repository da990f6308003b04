"""What agents, collectors and critics of `explore` are called and coloured."""

from ucl.reporting.names import METHOD_COLOURS, POLICY_COLOURS

__all__ = [
    "AGENTS", "AGENT_COLOURS", "COLLECTORS", "COLLECTOR_COLOURS", "CRITICS", "OBJECTIVES", "POINT_COLOURS",
    "POINT_METHODS", "POINT_PLACES", "REFERENCES",
]  # fmt: skip

AGENTS = {
    "explored": "Self-taught",
    "oracle_trained": "Trained on an oracle's walks",
    "random": "Random",
    "shortest_path": "Shortest path",
}
REFERENCES = ("oracle_trained", "random", "shortest_path")
AGENT_COLOURS = {
    "explored": METHOD_COLOURS["monte_carlo"],
    "oracle_trained": METHOD_COLOURS["direct"],
    "random": POLICY_COLOURS["random"],
    "shortest_path": POLICY_COLOURS["shortest_path"],
}
COLLECTORS = {
    "one_goal": "one far goal",
    "visited": "goals among visited states",
    "free": "goals among all free squares",
    "random_walk": "random walk",
}
COLLECTOR_COLOURS = {
    "one_goal": METHOD_COLOURS["monte_carlo"],
    "visited": METHOD_COLOURS["direct"],
    "free": METHOD_COLOURS["ground_truth"],
    "random_walk": METHOD_COLOURS["chance"],
}
CRITICS = {"squared_l2": "squared L2", "l2": "L2", "dot": "inner product", "mrn": "quasimetric (MRN)"}
OBJECTIVES = {
    "binary_nce": "binary NCE",
    "info_nce": "InfoNCE",
    "info_nce_penalised": "InfoNCE, penalised",
}
POINT_METHODS = {"explored": "Self-taught", "random": "Random", "controller": "Controller, knows the map"}
POINT_COLOURS = {
    "explored": AGENT_COLOURS["explored"],
    "random": AGENT_COLOURS["random"],
    "controller": AGENT_COLOURS["shortest_path"],
}
POINT_PLACES = {
    "umaze": "Gymnasium-Robotics: UMaze",
    "medium": "Gymnasium-Robotics: Medium",
    "large": "Gymnasium-Robotics: Large",
    "ogbench_medium": "OGBench: pointmaze-medium",
    "ogbench_large": "OGBench: pointmaze-large",
    "ogbench_giant": "OGBench: pointmaze-giant",
}
