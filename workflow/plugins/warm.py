"""Snakemake whose scripts begin with the libraries loaded: `python -c "import warm; warm.main()" <its arguments>`.

The start of a job, most of it `import torch`, costs several times the work of a tiny one. Here a job is a process that
Python's fork server makes from one that has loaded the libraries and nothing of `ucl`; all else is as in any run. The
demo and the smoke test run so: some ninety jobs of a second or two.
"""

import os
import runpy
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

__all__ = ["main"]

LIBRARIES = [
    "torch", "numpy", "pandas", "pyarrow.parquet", "pyarrow.compute", "scipy.stats", "scipy.signal", "scipy.sparse",
    "matplotlib.pyplot", "sklearn.datasets", "sklearn.model_selection", "gymnasium", "minari", "h5py", "open_clip",
    "transformers.audio_utils", "mlflow", "sqlalchemy", "jinja2", "markdown", "pydantic", "safetensors.torch",
    "snakemake.script",
]  # fmt: skip


def main() -> None:
    """The command `snakemake`."""
    from snakemake.benchmark import benchmarked
    from snakemake.cli import main as snakemake
    from snakemake.script import PythonScript

    context = get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)

    def execute_script(script: PythonScript, file: str, edit: bool = False) -> None:
        job = context.Process(target=work, args=(str(Path.cwd()), file))
        job.start()
        with benchmarked(job.pid, script.bench_record):
            job.join()
        if job.exitcode:
            raise subprocess.CalledProcessError(job.exitcode, file)

    PythonScript.execute_script = execute_script
    sys.exit(snakemake())


def work(folder: str, file: str) -> None:
    """What `python <file>` does in that folder."""
    os.chdir(folder)
    sys.argv = [file]
    runpy.run_path(file, run_name="__main__")
