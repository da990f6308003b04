# The report, its PDF (asked for by name), and the log of every experiment's runs in MLflow.


rule track:
    input:
        runs="results/{experiment}/runs.json",
        artifacts=lambda wildcards: ancient(shown(wildcards.experiment)),
    output:
        "results/{experiment}/tracked.json",
    log:
        "results/logs/{experiment}/track.log",
    benchmark:
        "results/benchmarks/{experiment}/track.tsv"
    wildcard_constraints:
        experiment=r"\w+",
    conda:
        "../envs/ucl.yaml"
    resources:
        mlflow=1,
    message:
        "Logging the runs of {wildcards.experiment} to MLflow"
    script:
        "../scripts/track.py"


rule report:
    input:
        [shown(name) for name in EXPERIMENTS if ONLY in (None, name)],
    output:
        html="reports/index.html",
        markdown="reports/README.md",
        claims="reports/claims.txt",
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        experiments=list(EXPERIMENTS),
        section=PARAMS.model_dump(),
        full=PAPER.model_dump(),
        modules=[f"ucl.experiments.{name}.claims" for name in EXPERIMENTS],
    message:
        "Rendering the report"
    script:
        "../scripts/report.py"


rule report_pdf:
    input:
        markdown="reports/README.md",
        figures=[figure for name in EXPERIMENTS if ONLY in (None, name) for figure in figure_files(name, "svg")],
        authors=in_root("CITATION.cff"),
    output:
        "reports/report.pdf",
    log:
        "results/logs/report_pdf.log",
    benchmark:
        "results/benchmarks/report_pdf.tsv"
    conda:
        "../envs/ucl.yaml"
    message:
        "Typesetting the report"
    script:
        "../scripts/report_pdf.py"
