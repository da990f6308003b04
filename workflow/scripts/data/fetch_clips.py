"""Table of clips -> media files, their manifest, and the log of what could not be had."""

from ucl.files import read_table, write_table
from ucl.logs import start_log
from ucl.media.clips import choose_clips, clip_manifest, fetch_clips

start_log(snakemake)
clips = choose_clips(read_table(snakemake.input.clips), snakemake.params.clips)
failed = fetch_clips(clips, snakemake.params.folder, pause=snakemake.params.pause)
write_table(failed, snakemake.output.failures)
write_table(clip_manifest(clips, failed, snakemake.params.folder), snakemake.output.manifest)
