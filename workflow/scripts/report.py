"""Metrics, tables and figures -> the report as a page and as Markdown, and its claims for a terminal."""

from ucl.logs import start_log
from ucl.reporting.report import render

start_log(snakemake)
render(
    experiments=snakemake.params.experiments,
    params=snakemake.params.section,
    full=snakemake.params.full,
    markdown_path=snakemake.output.markdown,
    html_path=snakemake.output.html,
    text_path=snakemake.output.claims,
)
