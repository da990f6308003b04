"""Table of clips -> media files, their manifest, and the log of what could not be had."""

import job
import pyarrow.parquet as pq

from ucl.media.clips import choose_clips, clip_manifest, fetch_clips
from ucl.media.tables import write_table

job.log(snakemake)
clips = choose_clips(pq.read_table(snakemake.input.clips), snakemake.params.clips)
failed = fetch_clips(clips, snakemake.params.folder, pause=snakemake.params.pause)
write_table(failed, snakemake.output.failures)
write_table(clip_manifest(clips, failed, snakemake.params.folder), snakemake.output.manifest)
