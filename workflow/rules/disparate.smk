# Experiment `disparate` (section 6.2, Fig. 3 right): two black boxes that share only the modality B.


experiment(
    "disparate",
    figures=["disparate"],
    tables=["disparate"],
)


rule disparate:
    input:
        shown("disparate"),
        tracked("disparate"),
        on_the_way("collect_disparate"),


rule train_disparate:
    output:
        curves="results/disparate/{width}.parquet",
        differences="results/disparate/{width}.differences.parquet",
    log:
        "results/logs/disparate/train_{width}.log",
    benchmark:
        "results/benchmarks/disparate/train_{width}.tsv"
    wildcard_constraints:
        width=r"\d+",
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.disparate.model_dump(exclude={"dimensions_bc"}),
    message:
        "Training two models that share no encoder, embeddings of B-C {wildcards.width} wide, all seeds at once"
    script:
        "../scripts/disparate/train.py"


rule collect_disparate:
    input:
        curves=expand("results/disparate/{width}.parquet", width=PARAMS.disparate.dimensions_bc),
        differences=expand("results/disparate/{width}.differences.parquet", width=PARAMS.disparate.dimensions_bc),
    output:
        runs="results/disparate/runs.json",
        headline=headline_file("disparate"),
        metrics=reported("disparate", [metrics_file("disparate")], "metrics"),
        tables=table_files("disparate"),
    log:
        "results/logs/disparate/collect.log",
    benchmark:
        "results/benchmarks/disparate/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("disparate"),
        section=PARAMS.disparate.model_dump(),
    message:
        "Collecting the numbers of disparate"
    script:
        "../scripts/collect.py"


rule draw_disparate:
    input:
        curves=expand("results/disparate/{width}.parquet", width=PARAMS.disparate.dimensions_bc),
    output:
        reported("disparate", figure_files("disparate", "svg"), "figure"),
        figure_files("disparate", "png"),
    log:
        "results/logs/disparate/draw.log",
    benchmark:
        "results/benchmarks/disparate/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.disparate.figures",
        section=PARAMS.disparate.model_dump(),
    message:
        "Drawing the figure of disparate"
    script:
        "../scripts/draw.py"
