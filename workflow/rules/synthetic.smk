# Experiment `synthetic` (section 6.1, Fig. 3): direct, Monte Carlo and exact scores in a Gaussian world.
# `synthetic_grid` is the published grid of settings around it, made of the same rules, outside `rule all`.
from ucl.experiments.settings import GaussianData, GaussianTraining

experiment(
    "synthetic",
    figures=["synthetic_published", "synthetic_held_out", "synthetic_candidates"],
    tables=["synthetic", "synthetic_candidates"],
)


wildcard_constraints:
    study="synthetic|synthetic_grid",
    protocol="published|held_out",
    setting=r"d\d+_s[\d.e-]+_p[\d.e-]+",


STUDIES = {
    "synthetic": PARAMS.synthetic,
    "synthetic_grid": PARAMS.synthetic.model_copy(update={"seeds": PARAMS.synthetic_grid.seeds}),
}
SYNTHETIC_SCORES = expand(
    "results/synthetic/{setting}/{protocol}/{model}.{what}.parquet",
    setting=PARAMS.synthetic.setting,
    protocol=["published", "held_out"],
    model=[*PARAMS.synthetic.critics, "ground_truth"],
    what=["epochs", "candidates"],
)
SYNTHETIC_WEIGHTS = expand(
    "results/synthetic/{setting}/{model}.safetensors",
    setting=PARAMS.synthetic.setting,
    model=[*PARAMS.synthetic.critics, "ground_truth"],
)


rule synthetic:
    input:
        shown("synthetic"),
        tracked("synthetic"),
        SYNTHETIC_WEIGHTS,
        on_the_way("collect_synthetic", "draw_synthetic"),


rule sample_synthetic:
    output:
        "results/{study}/data.safetensors",
    log:
        "results/logs/{study}/sample.log",
    benchmark:
        "results/benchmarks/{study}/sample.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        section=lambda wildcards: STUDIES[wildcards.study].part(GaussianData),
    message:
        "Drawing Gaussian worlds and their training, validation and bank samples"
    script:
        "../scripts/synthetic/sample.py"


rule train_synthetic:
    input:
        data="results/{study}/data.safetensors",
    output:
        weights="results/{study}/{setting}/{model}.safetensors",
        losses="results/{study}/{setting}/{model}.losses.parquet",
    log:
        "results/logs/{study}/{setting}/train_{model}.log",
    benchmark:
        "results/benchmarks/{study}/{setting}/train_{model}.tsv"
    wildcard_constraints:
        model="cosine|dot|l2|ground_truth",
    group:
        "synthetic"
    conda:
        "../envs/ucl.yaml"
    threads: 1  # stacked layers are small: two jobs beside each other beat one job on two threads
    resources:
        gpu=1,
    params:
        section=lambda wildcards: STUDIES[wildcards.study].at(wildcards.setting).part(GaussianTraining),
    message:
        "Training the {wildcards.model} model of {wildcards.study}, all seeds at once ({wildcards.setting})"
    script:
        "../scripts/synthetic/train.py"


rule score_synthetic:
    input:
        data="results/{study}/data.safetensors",
        weights="results/{study}/{setting}/{model}.safetensors",
    output:
        epochs="results/{study}/{setting}/{protocol}/{model}.epochs.parquet",
        candidates="results/{study}/{setting}/{protocol}/{model}.candidates.parquet",
    log:
        "results/logs/{study}/{setting}/score_{protocol}_{model}.log",
    benchmark:
        "results/benchmarks/{study}/{setting}/score_{protocol}_{model}.tsv"
    wildcard_constraints:
        model="cosine|dot|l2|ground_truth",
    group:
        "synthetic"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        section=lambda wildcards: STUDIES[wildcards.study].at(wildcards.setting).part(GaussianTraining),
    message:
        "Scoring the {wildcards.model} model of {wildcards.study}, protocol {wildcards.protocol}"
    script:
        "../scripts/synthetic/score.py"


rule collect_synthetic:
    input:
        data="results/synthetic/data.safetensors",
        scores=SYNTHETIC_SCORES,
        losses=expand(
            "results/synthetic/{setting}/{model}.losses.parquet",
            setting=PARAMS.synthetic.setting,
            model=[*PARAMS.synthetic.critics, "ground_truth"],
        ),
    output:
        epochs="results/synthetic/epochs.parquet",
        candidates="results/synthetic/candidates.parquet",
        runs="results/synthetic/runs.json",
        headline=headline_file("synthetic"),
        metrics=reported("synthetic", [metrics_file("synthetic")], "metrics"),
        tables=table_files("synthetic"),
    log:
        "results/logs/synthetic/collect.log",
    benchmark:
        "results/benchmarks/synthetic/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("synthetic"),
        section=PARAMS.synthetic.model_dump(),
    message:
        "Collecting the numbers of synthetic"
    script:
        "../scripts/collect.py"


rule draw_synthetic:
    input:
        epochs="results/synthetic/epochs.parquet",
        candidates="results/synthetic/candidates.parquet",
    output:
        reported("synthetic", figure_files("synthetic", "svg"), "figure"),
        figure_files("synthetic", "png"),
    log:
        "results/logs/synthetic/draw.log",
    benchmark:
        "results/benchmarks/synthetic/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.synthetic.figures",
        section=PARAMS.synthetic.model_dump(include={"candidates", "seeds", "dimension"}),
    message:
        "Drawing the figures of synthetic"
    script:
        "../scripts/draw.py"


rule synthetic_grid:
    input:
        epochs=expand(
            "results/synthetic_grid/{setting}/{protocol}/{model}.epochs.parquet",
            setting=[
                f"d{d}_s{s}_p{p}"
                for d in PARAMS.synthetic_grid.dimension
                for s in PARAMS.synthetic_grid.log_scale
                for p in PARAMS.synthetic_grid.norm_penalty
            ],
            protocol=["published", "held_out"],
            model=[*PARAMS.synthetic.critics, "ground_truth"],
        ),
    output:
        tables=multiext("reports/tables/synthetic_grid", ".csv", ".md"),
    log:
        "results/logs/synthetic_grid/collect.log",
    conda:
        "../envs/ucl.yaml"
    message:
        "Collecting the best of the published grid"
    script:
        "../scripts/synthetic/collect_grid.py"
