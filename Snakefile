# The table of contents: one rule file per experiment, and what `snakemake --cores all` makes.
from pathlib import Path


configfile: str(Path(workflow.basedir) / "params.yaml")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/synthetic.smk"
include: "workflow/rules/disparate.smk"
include: "workflow/rules/independence.smk"
include: "workflow/rules/marginals.smk"
include: "workflow/rules/peers.smk"
include: "workflow/rules/diagnosis.smk"
include: "workflow/rules/distillation.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/lemmas.smk"
include: "workflow/rules/scaling.smk"
include: "workflow/rules/stamps.smk"
include: "workflow/rules/bridging.smk"
include: "workflow/rules/maze.smk"
include: "workflow/rules/explore.smk"
include: "workflow/rules/report.smk"


if ONLY not in (None, *EXPERIMENTS):
    sys.exit(f"only: expected an experiment ({', '.join(EXPERIMENTS)}), got {ONLY!r}")
add_code(workflow.rules)
add_needs(workflow.rules)
workflow.localrules(*(each.name for each in workflow.rules if each.name.split("_")[0] in LOCAL))
if workflow.is_main_process:  # and not on the nodes of a cluster, whose jobs read this file too
    tell_code()
    discard_empty_files()


onstart:
    workflow.folder_lock = lock_folder()


rule all:
    default_target: True
    input:
        [getattr(rules, name).input for name in EXPERIMENTS],
        rules.report.output,
        rules.write_which_bridge.output,
