# Experiment `peers`: every way to bridge, on every world whose truth is known; and the page that follows from it.
from ucl.experiments.peers.config import Models
from ucl.experiments.scenes import SCENES

experiment(
    "peers",
    figures=["peers", "peers_losses"],
    tables=["peers", "peers_all"],
)


rule peers:
    input:
        shown("peers"),
        tracked("peers"),
        expand("results/peers/{scene}.safetensors", scene=PARAMS.peers.scenes),
        on_the_way("collect_peers"),
        "docs/which-bridge.md",


rule learn_peers:
    output:
        "results/peers/{scene}.safetensors",
    log:
        "results/logs/peers/learn_{scene}.log",
    benchmark:
        "results/benchmarks/peers/learn_{scene}.tsv"
    wildcard_constraints:
        scene="|".join(SCENES),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.peers.part(Models),
    message:
        "Training the models of {wildcards.scene}, all seeds at once"
    script:
        "../scripts/peers/learn.py"


rule refer_peers:
    output:
        "results/peers/references/{world}.parquet",
    log:
        "results/logs/peers/refer_{world}.log",
    benchmark:
        "results/benchmarks/peers/refer_{world}.tsv"
    wildcard_constraints:
        world="|".join(dict.fromkeys(scene.world for scene in SCENES.values())),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.peers.part(Models),
    message:
        "Training who saw more than a bridge may, and scoring exactly: {wildcards.world}"
    script:
        "../scripts/peers/refer.py"


rule score_peers:
    input:
        "results/peers/{scene}.safetensors",
    output:
        "results/peers/{scene}.parquet",
    log:
        "results/logs/peers/score_{scene}.log",
    benchmark:
        "results/benchmarks/peers/score_{scene}.tsv"
    wildcard_constraints:
        scene="|".join(SCENES),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.peers.model_dump(exclude={"scenes"}),
    message:
        "Scoring every way to bridge on {wildcards.scene}"
    script:
        "../scripts/peers/score.py"


rule collect_peers:
    input:
        scores=expand("results/peers/{scene}.parquet", scene=PARAMS.peers.scenes),
        references=[f"results/peers/references/{scene.world}.parquet" for scene in map(SCENES.get, PARAMS.peers.scenes)],
    output:
        runs="results/peers/runs.json",
        headline=headline_file("peers"),
        metrics=reported("peers", [metrics_file("peers")], "metrics"),
        tables=table_files("peers"),
    log:
        "results/logs/peers/collect.log",
    benchmark:
        "results/benchmarks/peers/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("peers"),
        section=PARAMS.peers.model_dump(),
    message:
        "Collecting the numbers of peers"
    script:
        "../scripts/collect.py"


rule draw_peers:
    input:
        metrics=metrics_file("peers"),
    output:
        reported("peers", figure_files("peers", "svg"), "figure"),
        figure_files("peers", "png"),
    log:
        "results/logs/peers/draw.log",
    benchmark:
        "results/benchmarks/peers/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.peers.figures",
        section=PARAMS.peers.model_dump(),
    message:
        "Drawing the figure of peers"
    script:
        "../scripts/draw.py"


rule write_which_bridge:
    input:
        table="reports/tables/peers_all.csv",
        metrics=metrics_file("peers"),
    output:
        "docs/which-bridge.md",
    log:
        "results/logs/peers/which_bridge.log",
    benchmark:
        "results/benchmarks/peers/which_bridge.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        section=PARAMS.peers.model_dump(),
    message:
        "Writing the page that says which bridge to use"
    script:
        "../scripts/peers/write_which_bridge.py"
