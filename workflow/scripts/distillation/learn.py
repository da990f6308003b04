"""Parameters -> embeddings of queries, a large bank and samples."""

from ucl.experiments.learned import learn_scene
from ucl.experiments.settings import SceneTraining
from ucl.runtime import start
from ucl.tensors import write_tensors

start(snakemake)
params, scene = snakemake.params, snakemake.wildcards.scene
bank, samples = params.most
learned = learn_scene(SceneTraining(**params.section), scene, bank=bank, memory=samples)
write_tensors(learned.tensors, snakemake.output[0])
