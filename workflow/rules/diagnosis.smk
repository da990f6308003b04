# Experiment `diagnosis`: what `ucl diagnose` and `ucl check` say, where the truth is known.
import re

from ucl.experiments.diagnosis.config import Judging, Models
from ucl.experiments.diagnosis.naming import INDEPENDENT
from ucl.experiments.scenes import SCENES

experiment(
    "diagnosis",
    figures=["diagnosis_choice", "diagnosis_recall", "diagnosis_power"],
    tables=[
        "diagnosis_choice",
        "diagnosis_predicted",
        "diagnosis_assumption_1",
        "diagnosis_defects",
        "diagnosis_standard_error",
    ],
)

DIAGNOSED = PARAMS.diagnosis.cases
WITH_EXACT_LAW = [case for case in DIAGNOSED if case in SCENES and SCENES[case].world == "gaussian"]


rule diagnosis:
    input:
        shown("diagnosis"),
        tracked("diagnosis"),
        expand("results/diagnosis/{case}.safetensors", case=DIAGNOSED),
        on_the_way("collect_diagnosis", "draw_diagnosis"),


rule learn_diagnosis:
    output:
        "results/diagnosis/{case}.safetensors",
    log:
        "results/logs/diagnosis/learn_{case}.log",
    benchmark:
        "results/benchmarks/diagnosis/learn_{case}.tsv"
    wildcard_constraints:
        case="|".join(map(re.escape, DIAGNOSED)),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.diagnosis.part(Models),
    message:
        "Training the models of {wildcards.case}, all seeds at once"
    script:
        "../scripts/diagnosis/learn.py"


rule judge_diagnosis:
    input:
        "results/diagnosis/{case}.safetensors",
    output:
        predictions="results/diagnosis/{case}.predictions.parquet",
        verdicts="results/diagnosis/{case}.verdicts.parquet",
        tests="results/diagnosis/{case}.tests.parquet",
    log:
        "results/logs/diagnosis/judge_{case}.log",
    benchmark:
        "results/benchmarks/diagnosis/judge_{case}.tsv"
    wildcard_constraints:
        case="|".join(map(re.escape, DIAGNOSED)),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.diagnosis.part(Judging),
    message:
        "Diagnosing {wildcards.case}, seed by seed"
    script:
        "../scripts/diagnosis/judge.py"


rule spoil_diagnosis:
    input:
        "results/diagnosis/{scene}.safetensors",
    output:
        "results/diagnosis/{scene}.defects.parquet",
    log:
        "results/logs/diagnosis/spoil_{scene}.log",
    benchmark:
        "results/benchmarks/diagnosis/spoil_{scene}.tsv"
    wildcard_constraints:
        scene="|".join(SCENES),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.diagnosis.defects.model_dump(exclude={"scenes"}),
    message:
        "Spoiling banks and scales of {wildcards.scene}, and looking for it"
    script:
        "../scripts/diagnosis/spoil.py"


rule cover_diagnosis:
    input:
        "results/diagnosis/{scene}.safetensors",
    output:
        "results/diagnosis/{scene}.covered.parquet",
    log:
        "results/logs/diagnosis/cover_{scene}.log",
    benchmark:
        "results/benchmarks/diagnosis/cover_{scene}.tsv"
    wildcard_constraints:
        scene="|".join(INDEPENDENT),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    message:
        "Holding the standard errors of {wildcards.scene} against a large bank"
    script:
        "../scripts/diagnosis/cover.py"


rule collect_diagnosis:
    input:
        predictions=expand("results/diagnosis/{case}.predictions.parquet", case=DIAGNOSED),
        verdicts=expand("results/diagnosis/{case}.verdicts.parquet", case=DIAGNOSED),
        tests=expand("results/diagnosis/{case}.tests.parquet", case=DIAGNOSED),
        defects=expand("results/diagnosis/{scene}.defects.parquet", scene=PARAMS.diagnosis.defects.scenes),
        covered=expand("results/diagnosis/{scene}.covered.parquet", scene=WITH_EXACT_LAW),
    output:
        runs="results/diagnosis/runs.json",
        headline=headline_file("diagnosis"),
        metrics=reported("diagnosis", [metrics_file("diagnosis")], "metrics"),
        tables=table_files("diagnosis"),
        points="results/diagnosis/points.parquet",
        choices="results/diagnosis/choices.parquet",
    log:
        "results/logs/diagnosis/collect.log",
    benchmark:
        "results/benchmarks/diagnosis/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("diagnosis"),
        section=PARAMS.diagnosis.model_dump(),
    message:
        "Collecting the numbers of diagnosis"
    script:
        "../scripts/collect.py"


rule draw_diagnosis:
    input:
        points="results/diagnosis/points.parquet",
        choices="results/diagnosis/choices.parquet",
        tests="reports/tables/diagnosis_assumption_1.csv",
    output:
        reported("diagnosis", figure_files("diagnosis", "svg"), "figure"),
        figure_files("diagnosis", "png"),
    log:
        "results/logs/diagnosis/draw.log",
    benchmark:
        "results/benchmarks/diagnosis/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.diagnosis.figures",
        section=PARAMS.diagnosis.model_dump(),
    message:
        "Drawing the figures of diagnosis"
    script:
        "../scripts/draw.py"
