# Experiment `maze` (section 6.3, appendix D, Figs. 9 to 13): agents that are told where to go in words.
from ucl.config import MazeData

MAZE_DATA = expand(
    "results/maze/data/ucl/{{maze}}/{kind}-v0/data/{file}",
    kind=["oracle", "annotated"],
    file=["main_data.hdf5", "metadata.json"],
)


wildcard_constraints:
    maze="[a-z_]+",


rule maze_data:
    input:
        expand(MAZE_DATA, maze=PARAMS.maze.mazes),


rule make_maze_data:
    input:
        modules("maze.storage"),
    output:
        MAZE_DATA,
    log:
        "results/logs/maze/{maze}/data.log",
    benchmark:
        "results/benchmarks/maze/{maze}/data.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        section=PARAMS.maze.part(MazeData),
        root="results/maze/data",
    message:
        "Walking the oracle and annotating states in maze {wildcards.maze}"
    script:
        "../scripts/make_maze_data.py"
