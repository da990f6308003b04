# Experiment `distillation`: how much a distilled bridge needs, and what an index by it finds.
from ucl.experiments.distillation.config import Playing
from ucl.experiments.scenes import SCENES
from ucl.experiments.settings import SceneTraining

experiment(
    "distillation",
    figures=["distillation_curves", "distillation_few", "distillation_index"],
    tables=["distillation", "distillation_few", "distillation_index"],
)


rule distillation:
    input:
        shown("distillation"),
        tracked("distillation"),
        expand("results/distillation/{scene}.safetensors", scene=PARAMS.distillation.every_scene),
        on_the_way("collect_distillation", "draw_distillation"),


rule learn_distillation:
    output:
        "results/distillation/{scene}.safetensors",
    log:
        "results/logs/distillation/learn_{scene}.log",
    benchmark:
        "results/benchmarks/distillation/learn_{scene}.tsv"
    wildcard_constraints:
        scene="|".join(SCENES),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.distillation.part(SceneTraining),
        most=lambda wildcards: PARAMS.distillation.most(wildcards.scene),
    message:
        "Training the models of {wildcards.scene}, all seeds at once"
    script:
        "../scripts/distillation/learn.py"


rule score_distillation:
    input:
        "results/distillation/{scene}.safetensors",
    output:
        "results/distillation/{scene}.parquet",
    log:
        "results/logs/distillation/score_{scene}.log",
    benchmark:
        "results/benchmarks/distillation/score_{scene}.tsv"
    wildcard_constraints:
        scene="|".join(SCENES),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.distillation.part(Playing),
        conditions=lambda wildcards: [tuple(sizes) for sizes in PARAMS.distillation.conditions(wildcards.scene)],
    message:
        "Distilling {wildcards.scene} from banks and samples of many sizes"
    script:
        "../scripts/distillation/score.py"


rule search_distillation:
    output:
        "results/distillation/index.parquet",
    log:
        "results/logs/distillation/search.log",
    benchmark:
        "results/benchmarks/distillation/search.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.distillation.index.model_dump(),
        steps=PARAMS.distillation.steps,
    message:
        "Asking an index for what the exact bridge finds"
    script:
        "../scripts/distillation/search.py"


rule collect_distillation:
    input:
        scores=expand("results/distillation/{scene}.parquet", scene=PARAMS.distillation.every_scene),
        index="results/distillation/index.parquet",
    output:
        runs="results/distillation/runs.json",
        headline=headline_file("distillation"),
        metrics=reported("distillation", [metrics_file("distillation")], "metrics"),
        tables=table_files("distillation"),
        curves="results/distillation/curves.parquet",
    log:
        "results/logs/distillation/collect.log",
    benchmark:
        "results/benchmarks/distillation/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("distillation"),
        section=PARAMS.distillation.model_dump(),
    message:
        "Collecting the numbers of distillation"
    script:
        "../scripts/collect.py"


rule draw_distillation:
    input:
        curves="results/distillation/curves.parquet",
        few="reports/tables/distillation_few.csv",
        index="reports/tables/distillation_index.csv",
    output:
        reported("distillation", figure_files("distillation", "svg"), "figure"),
        figure_files("distillation", "png"),
    log:
        "results/logs/distillation/draw.log",
    benchmark:
        "results/benchmarks/distillation/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.distillation.figures",
        section=PARAMS.distillation.model_dump(),
    message:
        "Drawing the figures of distillation"
    script:
        "../scripts/draw.py"
