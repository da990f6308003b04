# Experiment `maze` (section 6.3, appendix D, Figs. 9 to 13): told in words where to go, in many mazes.
from ucl.experiments.maze.config import MazeData, MazeTest, MazeTraining
from ucl.maze.example import MAZE as SHOWN_MAZE

experiment(
    "maze",
    figures=[
        "maze_layouts",
        "maze_paths",
        "maze_critics",
        "maze_success",
        "maze_representations",
        "maze_ambiguity",
        "maze_banks",
        "maze_words",
    ],
    tables=[
        "maze",
        "maze_success",
        "maze_claims",
        "maze_first_column",
        "maze_ambiguity",
        "maze_words",
        "maze_banks",
    ],
)

MAZE_DATA = expand(
    "results/maze/data/ucl/{{maze}}/{kind}-v0/data/{file}",
    kind=["oracle", "annotated"],
    file=["main_data.hdf5", "metadata.json"],
)


wildcard_constraints:
    maze="|".join({*PARAMS.maze.mazes, SHOWN_MAZE}),


rule maze:
    input:
        shown("maze"),
        tracked("maze"),
        expand(MAZE_DATA, maze=PARAMS.maze.mazes),
        expand(
            "results/maze/{maze}/{file}", maze=PARAMS.maze.mazes, file=["model.safetensors", "occupancy.safetensors"]
        ),
        on_the_way("collect_maze", "draw_maze"),


rule maze_data:
    input:
        expand(MAZE_DATA, maze=PARAMS.maze.mazes),


rule make_maze_data:
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
    message:
        "Walking the oracle and annotating states in maze {wildcards.maze}"
    script:
        "../scripts/maze/make_data.py"


rule train_maze:
    input:
        MAZE_DATA,
    output:
        weights="results/maze/{maze}/model.safetensors",
        curves="results/maze/{maze}/curves.parquet",
    log:
        "results/logs/maze/{maze}/train.log",
    benchmark:
        "results/benchmarks/maze/{maze}/train.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1  # stacked layers are small: two mazes beside each other beat one on two threads
    resources:
        gpu=1,
    params:
        section=PARAMS.maze.part(MazeTraining),
    message:
        "Training the agents of {wildcards.maze}, all seeds at once"
    script:
        "../scripts/maze/train.py"


rule solve_maze:
    output:
        "results/maze/{maze}/occupancy.safetensors",
    log:
        "results/logs/maze/{maze}/solve.log",
    benchmark:
        "results/benchmarks/maze/{maze}/solve.tsv"
    group:
        "maze"
    conda:
        "../envs/ucl.yaml"
    params:
        noise=PARAMS.maze.noise_degrees,
        discount=PARAMS.maze.discount,
        resolution=PARAMS.maze.resolution,
    message:
        "Solving {wildcards.maze} for the exact future of the oracle"
    script:
        "../scripts/maze/solve.py"


rule test_maze:
    input:
        MAZE_DATA,
        weights=rules.train_maze.output.weights,
        occupancy=rules.solve_maze.output,
    output:
        "results/maze/{maze}/scores.parquet",
    log:
        "results/logs/maze/{maze}/test.log",
    benchmark:
        "results/benchmarks/maze/{maze}/test.tsv"
    group:
        "maze"
    conda:
        "../envs/ucl.yaml"
    params:
        section=PARAMS.maze.part(MazeTest),
        discount=PARAMS.maze.discount,
        critic=PARAMS.maze.critic,
        told_actions=PARAMS.maze.action_negatives > 0,  # then critics also say how likely the action is: p(s+, a | s)
    message:
        "Testing all agents in {wildcards.maze}"
    script:
        "../scripts/maze/test.py"


rule show_maze:
    input:
        expand(MAZE_DATA, maze=SHOWN_MAZE),
        weights=expand(rules.train_maze.output.weights, maze=SHOWN_MAZE),
    output:
        paths="results/maze/show/paths.parquet",
        maps="results/maze/show/maps.parquet",
        placed="results/maze/show/placed.parquet",
        banks="results/maze/show/banks.parquet",
    log:
        "results/logs/maze/show.log",
    benchmark:
        "results/benchmarks/maze/show.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        section=PARAMS.maze.part(MazeTest),
        discount=PARAMS.maze.discount,
        critic=PARAMS.maze.critic,
        banks=PARAMS.maze.banks,
    message:
        "Looking closely at the fork, and at banks of several sizes"
    script:
        "../scripts/maze/show.py"


rule collect_maze:
    input:
        scores=expand("results/maze/{maze}/scores.parquet", maze=PARAMS.maze.mazes),
        curves=expand("results/maze/{maze}/curves.parquet", maze=PARAMS.maze.mazes),
        paths=rules.show_maze.output.paths,
        banks=rules.show_maze.output.banks,
    output:
        runs="results/maze/runs.json",
        headline=headline_file("maze"),
        metrics=reported("maze", [metrics_file("maze")], "metrics"),
        tables=table_files("maze"),
    log:
        "results/logs/maze/collect.log",
    benchmark:
        "results/benchmarks/maze/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("maze"),
        section=PARAMS.maze.model_dump(),
    message:
        "Collecting the numbers of maze"
    script:
        "../scripts/collect.py"


rule draw_maze:
    input:
        tables=table_files("maze"),
        paths=rules.show_maze.output.paths,
        maps=rules.show_maze.output.maps,
        placed=rules.show_maze.output.placed,
    output:
        reported("maze", figure_files("maze", "svg"), "figure"),
        figure_files("maze", "png"),
        animation="reports/figures/maze_walk.gif",
    log:
        "results/logs/maze/draw.log",
    benchmark:
        "results/benchmarks/maze/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.maze.figures",
        section=PARAMS.maze.model_dump(),
    message:
        "Drawing the figures of maze"
    script:
        "../scripts/draw.py"
