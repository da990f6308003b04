"""Metrics, tables and figures -> the report as a page and as Markdown."""

from pathlib import Path

import job

from ucl.reporting.report import render

job.log(snakemake)
render(
    templates=Path(snakemake.input.page).parent,
    experiments=snakemake.params.experiments,
    params=snakemake.params.section,
    markdown_path=snakemake.output.markdown,
    html_path=snakemake.output.html,
)
