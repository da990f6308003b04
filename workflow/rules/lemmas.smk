# Experiment `lemmas`: Lemmas 1 to 4 and the identities behind contrastive learning, checked by numbers.
experiment("lemmas", figures=["lemmas_checks"], tables=["lemmas"])


rule lemmas:
    input:
        shown("lemmas"),
        tracked("lemmas"),
        on_the_way("collect_lemmas"),


rule check_lemmas:
    output:
        "results/lemmas/checks.parquet",
    log:
        "results/logs/lemmas/check.log",
    benchmark:
        "results/benchmarks/lemmas/check.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.lemmas.model_dump(),
    message:
        "Checking Lemmas 1 to 4, NCE, InfoNCE and the occupancy identity"
    script:
        "../scripts/lemmas/check.py"


rule collect_lemmas:
    input:
        checks="results/lemmas/checks.parquet",
    output:
        runs="results/lemmas/runs.json",
        headline=headline_file("lemmas"),
        metrics=reported("lemmas", [metrics_file("lemmas")], "metrics"),
        tables=table_files("lemmas"),
    log:
        "results/logs/lemmas/collect.log",
    benchmark:
        "results/benchmarks/lemmas/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("lemmas"),
        section=PARAMS.lemmas.model_dump(),
    message:
        "Collecting the numbers of lemmas"
    script:
        "../scripts/collect.py"


rule draw_lemmas:
    input:
        checks="results/lemmas/checks.parquet",
    output:
        reported("lemmas", figure_files("lemmas", "svg"), "figure"),
        figure_files("lemmas", "png"),
    log:
        "results/logs/lemmas/draw.log",
    benchmark:
        "results/benchmarks/lemmas/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.lemmas.figures",
        section=PARAMS.lemmas.model_dump(include={"seed"}),
    message:
        "Drawing the figure of lemmas"
    script:
        "../scripts/draw.py"
