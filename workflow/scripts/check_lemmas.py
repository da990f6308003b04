"""Parameters -> every check with its error and tolerance."""

import job

from ucl.config import Lemmas
from ucl.files import write_parquet
from ucl.lemmas import check_all

job.start(snakemake)
write_parquet(check_all(Lemmas.model_validate(snakemake.params.section)), snakemake.output[0])
