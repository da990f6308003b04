"""One's own manifest -> the same, checked, with paths seen from here."""

import job

from ucl.media.manifest import read_manifest
from ucl.media.tables import write_table

job.log(snakemake)
write_table(read_manifest(snakemake.params.manifest), snakemake.output.manifest)
