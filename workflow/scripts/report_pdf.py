"""The report in Markdown and its figures -> a PDF."""

from ucl.logs import start_log
from ucl.reporting.pdf import write_pdf

start_log(snakemake)
write_pdf(snakemake.input.markdown, snakemake.input.authors, snakemake.output[0])
