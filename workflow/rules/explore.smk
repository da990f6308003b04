# Experiment `explore`: the maze agent without an oracle, contrastive RL from its own walks (slides, D.2).
from ucl.experiments.explore.config import Agents, Probed
from ucl.maze.example import MAZE as TOLD_MAZE

experiment(
    "explore",
    figures=[
        "explore_curves",
        "explore_reaching",
        "explore_visits",
        "explore_distances",
        "explore_comparison",
        "explore_seeking",
        "explore_way_points",
        "explore_paths",
    ],
    tables=[
        "explore",
        "explore_success",
        "explore_curves",
        "explore_comparison",
        "explore_identity",
        "explore_seeking",
        "explore_planning",
        "explore_words",
        "explore_first_column",
        "explore_properties",
    ],
)

if "pointmaze" in PARAMS.explore.suites:
    EXPERIMENTS["explore"]["figures"].append("explore_pointmaze")
    EXPERIMENTS["explore"]["tables"].append("explore_pointmaze")

POINTMAZES = PARAMS.explore.pointmaze.environments if "pointmaze" in PARAMS.explore.suites else []
EXPLORED = list(dict.fromkeys([*PARAMS.explore.mazes, TOLD_MAZE]))
PROBED = list(dict.fromkeys([TOLD_MAZE, *PARAMS.explore.planning.mazes]))


rule explore:
    input:
        shown("explore"),
        tracked("explore"),
        on_the_way("probe_explore", "collect_explore", "draw_explore"),


rule train_explore:
    output:
        scores="results/explore/{explored}/scores.parquet",
        distances="results/explore/{explored}/distances.parquet",
        weights="results/explore/{explored}/model.safetensors",
        experience="results/explore/{explored}/experience.safetensors",
        visits="results/explore/{explored}/visits.parquet",
        walks="results/explore/{explored}/walks.parquet",
    log:
        "results/logs/explore/{explored}/train.log",
    benchmark:
        "results/benchmarks/explore/{explored}/train.tsv"
    wildcard_constraints:
        explored="|".join(EXPLORED),
    conda:
        "../envs/ucl.yaml"
    threads: 1  # stacked layers are small: two mazes beside each other beat one on two threads
    params:
        section=PARAMS.explore.part(Agents),
    message:
        "Agents of {wildcards.explored} find their own way, all seeds at once"
    script:
        "../scripts/explore/train.py"


rule compare_explore:
    output:
        "results/explore/compare/{critic}.parquet",
    log:
        "results/logs/explore/compare_{critic}.log",
    benchmark:
        "results/benchmarks/explore/compare_{critic}.tsv"
    wildcard_constraints:
        critic="|".join(PARAMS.explore.comparison.critics),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.explore.part(Agents),
        comparison=PARAMS.explore.comparison.model_dump(exclude={"critics"}),
    message:
        "All objectives explore with critic {wildcards.critic}"
    script:
        "../scripts/explore/compare.py"


rule probe_explore:
    input:
        weights=expand(rules.train_explore.output.weights, explored=PROBED),
        experience=expand(rules.train_explore.output.experience, explored=PROBED),
    output:
        seeking="results/explore/probe/seeking.parquet",
        identity="results/explore/probe/identity.parquet",
        planned="results/explore/probe/planned.parquet",
        ways="results/explore/probe/ways.parquet",
        told="results/explore/probe/told.parquet",
        paths="results/explore/probe/paths.parquet",
    log:
        "results/logs/explore/probe.log",
    benchmark:
        "results/benchmarks/explore/probe.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.explore.part(Probed),
    message:
        "Looking closely at agents that found their own way"
    script:
        "../scripts/explore/probe.py"


rule train_pointmaze:
    input:
        check_pointmaze,
    output:
        "results/explore/pointmaze/{environment}.parquet",
    log:
        "results/logs/explore/pointmaze_{environment}.log",
    benchmark:
        "results/benchmarks/explore/pointmaze_{environment}.tsv"
    wildcard_constraints:
        environment="|".join(PARAMS.explore.pointmaze.environments),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.explore.part(Agents),
        pointmaze=PARAMS.explore.pointmaze.model_dump(exclude={"environments"}),
    message:
        "Agents find their own way in MuJoCo's {wildcards.environment}, all seeds at once"
    script:
        "../scripts/explore/train_pointmaze.py"


rule collect_explore:
    input:
        pointmaze=expand(rules.train_pointmaze.output, environment=POINTMAZES),
        scores=expand(rules.train_explore.output.scores, explored=PARAMS.explore.mazes),
        comparison=expand(rules.compare_explore.output, critic=PARAMS.explore.comparison.critics),
        seeking=rules.probe_explore.output.seeking,
        identity=rules.probe_explore.output.identity,
        planned=rules.probe_explore.output.planned,
        told=rules.probe_explore.output.told,
        paths=rules.probe_explore.output.paths,
    output:
        runs="results/explore/runs.json",
        headline=headline_file("explore"),
        metrics=reported("explore", [metrics_file("explore")], "metrics"),
        tables=table_files("explore"),
    log:
        "results/logs/explore/collect.log",
    benchmark:
        "results/benchmarks/explore/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("explore"),
        section=PARAMS.explore.model_dump(),
    message:
        "Collecting the numbers of explore"
    script:
        "../scripts/collect.py"


rule draw_explore:
    input:
        tables=table_files("explore"),
        seeking=rules.probe_explore.output.seeking,
        ways=rules.probe_explore.output.ways,
        paths=rules.probe_explore.output.paths,
        distances=expand(rules.train_explore.output.distances, explored=PARAMS.explore.mazes),
        visits=expand(rules.train_explore.output.visits, explored=TOLD_MAZE),
        walks=expand(rules.train_explore.output.walks, explored=TOLD_MAZE),
    output:
        reported("explore", figure_files("explore", "svg"), "figure"),
        figure_files("explore", "png"),
        animation="reports/figures/explore_buffer.gif",
    log:
        "results/logs/explore/draw.log",
    benchmark:
        "results/benchmarks/explore/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.explore.figures",
        section=PARAMS.explore.model_dump(),
    message:
        "Drawing the figures of explore"
    script:
        "../scripts/draw.py"
