# Experiment `scaling` (appendix C.1, Fig. 5): recall as the bank grows, for trained joint models and any other
# embedding file that params.yaml names under `scaling: files`.
from ucl.experiments.scaling.config import Models, ScalingRun

experiment("scaling", figures=["scaling_recall", "scaling_error"], tables=["scaling"])

SCALING_MODELS = [*PARAMS.scaling.models, *PARAMS.scaling.files]


wildcard_constraints:
    joint="|".join(SCALING_MODELS),


scattergather:
    scaling=PARAMS.scaling.bank_shards,


rule scaling:
    input:
        shown("scaling"),
        tracked("scaling"),
        expand("results/scaling/{joint}/embeddings.safetensors", joint=PARAMS.scaling.models),
        on_the_way("collect_scaling"),


rule embed_scaling:
    output:
        "results/scaling/{joint}/embeddings.safetensors",
    log:
        "results/logs/scaling/embed_{joint}.log",
    benchmark:
        "results/benchmarks/scaling/embed_{joint}.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        section=PARAMS.scaling.part(Models),
    message:
        "Training the joint model {wildcards.joint} and embedding its candidates and its bank"
    script:
        "../scripts/scaling/embed.py"


rule score_scaling_shard:
    input:
        embeddings=lambda wildcards: PARAMS.scaling.files.get(
            wildcards.joint, f"results/scaling/{wildcards.joint}/embeddings.safetensors"
        ),
    output:
        temp(directory("results/scaling/{joint}/shards/{scatteritem}")),
    log:
        "results/logs/scaling/score_{joint}_{scatteritem}.log",
    benchmark:
        "results/benchmarks/scaling/score_{joint}_{scatteritem}.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        section=PARAMS.scaling.part(ScalingRun),
    message:
        "Scoring {wildcards.joint}, shard {wildcards.scatteritem} of its banks"
    script:
        "../scripts/scaling/score_shard.py"


rule score_scaling:
    input:
        embeddings=lambda wildcards: PARAMS.scaling.files.get(
            wildcards.joint, f"results/scaling/{wildcards.joint}/embeddings.safetensors"
        ),
        shards=(
            [] if PARAMS.scaling.bank_shards == 1 else gather.scaling("results/scaling/{{joint}}/shards/{scatteritem}")
        ),
    output:
        "results/scaling/{joint}/scores.parquet",
    log:
        "results/logs/scaling/score_{joint}.log",
    benchmark:
        "results/benchmarks/scaling/score_{joint}.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        section=PARAMS.scaling.part(ScalingRun),
    message:
        "Scoring {wildcards.joint} over banks of growing size"
    script:
        "../scripts/scaling/score.py"


rule collect_scaling:
    input:
        scores=expand("results/scaling/{joint}/scores.parquet", joint=SCALING_MODELS),
    output:
        runs="results/scaling/runs.json",
        headline=headline_file("scaling"),
        metrics=reported("scaling", [metrics_file("scaling")], "metrics"),
        tables=table_files("scaling"),
    log:
        "results/logs/scaling/collect.log",
    benchmark:
        "results/benchmarks/scaling/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("scaling"),
        section=PARAMS.scaling.model_dump(),
    message:
        "Collecting the numbers of scaling"
    script:
        "../scripts/collect.py"


rule draw_scaling:
    input:
        table="reports/tables/scaling.csv",
    output:
        reported("scaling", figure_files("scaling", "svg"), "figure"),
        figure_files("scaling", "png"),
    log:
        "results/logs/scaling/draw.log",
    benchmark:
        "results/benchmarks/scaling/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.scaling.figures",
        section=PARAMS.scaling.model_dump(include={"candidates", "trials", "queries", "largest"}),
    message:
        "Drawing the figures of scaling"
    script:
        "../scripts/draw.py"
