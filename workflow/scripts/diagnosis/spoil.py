"""Embeddings -> what a check finds of every defect, and of the sound bank."""

from ucl.experiments.diagnosis.config import Defects
from ucl.experiments.diagnosis.defects import spoil
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
scene = snakemake.wildcards.scene
spoilt = Defects(**snakemake.params.section, scenes=[scene])
write_parquet(spoil(spoilt, scene, read_tensors(snakemake.input[0])), snakemake.output[0])
