"""Parameters -> every check with its error and tolerance."""

from ucl.experiments.lemmas.checks import check_all
from ucl.experiments.lemmas.config import Lemmas
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
write_parquet(check_all(Lemmas.model_validate(snakemake.params.section)), snakemake.output[0])
