"""One's own manifest -> the same, checked, with paths seen from here."""

from ucl.files import write_table
from ucl.logs import start_log
from ucl.media.manifest import read_manifest

start_log(snakemake)
write_table(read_manifest(snakemake.params.manifest), snakemake.output.manifest)
