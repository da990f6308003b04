# Experiment `marginals` (section 6.2.2, appendix C.3, Fig. 7): what the representations' distribution is.

experiment(
    "marginals",
    figures=["marginals_scatter", "marginals_power"],
    tables=["marginals_sizes", "marginals_representations"],
)


rule marginals:
    input:
        shown("marginals"),
        tracked("marginals"),
        expand(
            "results/marginals/{critic}_%d.safetensors" % PARAMS.marginals.dimension, critic=PARAMS.marginals.critics
        ),
        on_the_way("collect_marginals", "draw_marginals"),


rule learn_marginals:
    output:
        "results/marginals/{critic}_{dimension}.safetensors",
    log:
        "results/logs/marginals/learn_{critic}_{dimension}.log",
    benchmark:
        "results/benchmarks/marginals/learn_{critic}_{dimension}.tsv"
    wildcard_constraints:
        critic="cosine|dot|l2",
        dimension=r"\d+",
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.marginals.model_dump(),
    message:
        "Training the {wildcards.critic} model with representations {wildcards.dimension} wide"
    script:
        "../scripts/marginals/learn.py"


rule inspect_marginals:
    input:
        representations="results/marginals/{critic}_%d.safetensors" % PARAMS.marginals.dimension,
    output:
        "results/marginals/{critic}.inspected.parquet",
    log:
        "results/logs/marginals/inspect_{critic}.log",
    benchmark:
        "results/benchmarks/marginals/inspect_{critic}.tsv"
    wildcard_constraints:
        critic="cosine|dot|l2",
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.marginals.model_dump(),
    message:
        "Testing the representations of the {wildcards.critic} model"
    script:
        "../scripts/marginals/inspect.py"


rule simulate_sphere:
    output:
        "results/marginals/sphere_{d}.parquet",
    log:
        "results/logs/marginals/sphere_{d}.log",
    benchmark:
        "results/benchmarks/marginals/sphere_{d}.tsv"
    wildcard_constraints:
        d=r"\d+",
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        settings=PARAMS.marginals.sphere.model_dump(exclude={"dimensions"}),
    message:
        "Simulating the tests of uniformity, d = {wildcards.d}"
    script:
        "../scripts/marginals/simulate_sphere.py"


rule simulate_gaussian:
    output:
        "results/marginals/gaussian_{d}.parquet",
    log:
        "results/logs/marginals/gaussian_{d}.log",
    benchmark:
        "results/benchmarks/marginals/gaussian_{d}.tsv"
    wildcard_constraints:
        d=r"\d+",
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        settings=PARAMS.marginals.gaussian.model_dump(exclude={"dimensions"}),
    message:
        "Simulating the tests of normality, d = {wildcards.d}"
    script:
        "../scripts/marginals/simulate_gaussian.py"


rule simulate_published_example:
    output:
        "results/marginals/example.parquet",
    log:
        "results/logs/marginals/example.log",
    benchmark:
        "results/benchmarks/marginals/example.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        samples=PARAMS.marginals.example,
    message:
        "Simulating a von Mises-Fisher law that the paper's reading passes"
    script:
        "../scripts/marginals/simulate_example.py"


rule collect_marginals:
    input:
        rejections=[
            *expand("results/marginals/sphere_{d}.parquet", d=PARAMS.marginals.sphere.dimensions),
            *expand("results/marginals/gaussian_{d}.parquet", d=PARAMS.marginals.gaussian.dimensions),
        ],
        example="results/marginals/example.parquet",
        inspected=expand("results/marginals/{critic}.inspected.parquet", critic=PARAMS.marginals.critics),
    output:
        rejections="results/marginals/rejections.parquet",
        runs="results/marginals/runs.json",
        headline=headline_file("marginals"),
        metrics=reported("marginals", [metrics_file("marginals")], "metrics"),
        tables=table_files("marginals"),
    log:
        "results/logs/marginals/collect.log",
    benchmark:
        "results/benchmarks/marginals/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("marginals"),
        section=PARAMS.marginals.model_dump(),
    message:
        "Collecting the numbers of marginals"
    script:
        "../scripts/collect.py"


rule draw_marginals:
    input:
        rejections="results/marginals/rejections.parquet",
        representations=expand(
            "results/marginals/{critic}_{dimension}.safetensors",
            critic=PARAMS.marginals.critics,
            dimension=PARAMS.marginals.scatter_dimension,
        ),
    output:
        reported("marginals", figure_files("marginals", "svg"), "figure"),
        figure_files("marginals", "png"),
    log:
        "results/logs/marginals/draw.log",
    benchmark:
        "results/benchmarks/marginals/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.marginals.figures",
        section=PARAMS.marginals.model_dump(),
    message:
        "Drawing the figures of marginals"
    script:
        "../scripts/draw.py"
