# Experiment `independence` (appendix C.4, Fig. 8): noise that A and C share and B does not see.


experiment(
    "independence",
    figures=["independence"],
    tables=["independence"],
)


rule independence:
    input:
        shown("independence"),
        tracked("independence"),
        on_the_way("collect_independence"),


rule train_independence:
    output:
        "results/independence/{noise}.parquet",
    log:
        "results/logs/independence/train_{noise}.log",
    benchmark:
        "results/benchmarks/independence/train_{noise}.tsv"
    wildcard_constraints:
        noise=r"[\d.]+",
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.independence.model_dump(exclude={"shared_noise"}),
    message:
        "Training and scoring under shared noise of sd {wildcards.noise}, all seeds at once"
    script:
        "../scripts/independence/train.py"


rule collect_independence:
    input:
        recalls=expand("results/independence/{noise}.parquet", noise=PARAMS.independence.shared_noise),
    output:
        runs="results/independence/runs.json",
        headline=headline_file("independence"),
        metrics=reported("independence", [metrics_file("independence")], "metrics"),
        tables=table_files("independence"),
    log:
        "results/logs/independence/collect.log",
    benchmark:
        "results/benchmarks/independence/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("independence"),
        section=PARAMS.independence.model_dump(),
    message:
        "Collecting the numbers of independence"
    script:
        "../scripts/collect.py"


rule draw_independence:
    input:
        recalls=expand("results/independence/{noise}.parquet", noise=PARAMS.independence.shared_noise),
    output:
        reported("independence", figure_files("independence", "svg"), "figure"),
        figure_files("independence", "png"),
    log:
        "results/logs/independence/draw.log",
    benchmark:
        "results/benchmarks/independence/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.independence.figures",
        section=PARAMS.independence.model_dump(),
    message:
        "Drawing the figure of independence"
    script:
        "../scripts/draw.py"
