# Experiment `peers`: every way to bridge, on every world whose truth is known; and the page that follows from it.
from ucl.scenes import SCENES

experiment(
    "peers",
    figures=["peers"],
    tables=["peers", "peers_all"],
)


rule peers:
    input:
        shown("peers"),
        tracked("peers"),
        "docs/which-bridge.md",


rule learn_peers:
    input:
        modules("trials", "worlds"),
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
        section=PARAMS.peers.model_dump(exclude={"scenes"}),
    message:
        "Training the models of {wildcards.scene}, all seeds at once"
    script:
        "../scripts/learn_peers.py"


rule refer_peers:
    input:
        modules("trials", "worlds", "peers.symile"),
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
        section=PARAMS.peers.model_dump(exclude={"scenes"}),
    message:
        "Training who saw more than a bridge may, and scoring exactly: {wildcards.world}"
    script:
        "../scripts/refer_peers.py"


rule score_peers:
    input:
        modules("peers.contest"),
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
        "../scripts/score_peers.py"


rule collect_peers:
    input:
        modules("peers.contest", "tracking"),
        scores=expand("results/peers/{scene}.parquet", scene=PARAMS.peers.scenes),
        references=[f"results/peers/references/{scene.world}.parquet" for scene in map(SCENES.get, PARAMS.peers.scenes)],
    output:
        runs="results/peers/runs.json",
        metrics=report(
            metrics_file("peers"),
            caption="../report/peers.rst",
            category="peers",
            labels={"content": "metrics"},
        ),
        tables=table_files("peers"),
    log:
        "results/logs/peers/collect.log",
    benchmark:
        "results/benchmarks/peers/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        scenes=PARAMS.peers.scenes,
        section=PARAMS.peers.model_dump(),
    message:
        "Collecting the numbers of peers"
    script:
        "../scripts/collect_peers.py"


rule draw_peers:
    input:
        modules("peers_figures"),
        in_root("ucl/figures.py"),
        metrics=metrics_file("peers"),
    output:
        report(
            figure_files("peers"),
            caption="../report/peers.rst",
            category="peers",
            labels=lambda wildcards, output: {"content": "figure"},
        ),
    log:
        "results/logs/peers/draw.log",
    benchmark:
        "results/benchmarks/peers/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        section=PARAMS.peers.model_dump(),
    message:
        "Drawing the figure of peers"
    script:
        "../scripts/draw_peers.py"


rule write_which_bridge:
    input:
        modules("which_bridge"),
        template=in_root("workflow/report/which-bridge.md.j2"),
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
        "../scripts/write_which_bridge.py"
