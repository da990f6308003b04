"""Libraries that come only with an extra of the package: which brings which, told in one line where one is missing.

`pip install ucl` brings what `ucl.core`, `ucl.learning`, `ucl.worlds`, `ucl.peers`, `ucl.trust` and the command need;
the rooms that need more ask for it first.
"""

from importlib.util import find_spec

from ucl.errors import InputError

__all__ = ["EXTRAS", "MissingExtraError", "needs", "remedy"]

EXTRAS = {
    "maze": ("gymnasium", "minari", "h5py", "imageio", "pygame", "PIL", "matplotlib", "pandas"),
    "media": (
        "open_clip", "laion_clap", "transformers", "torchvision", "huggingface_hub", "librosa", "soundfile", "PIL",
        "resvg_py", "filelock", "pandas", "pydantic", "yaml",
    ),
    "audioset": ("yt_dlp",),
    "pointmaze": ("gymnasium_robotics", "mujoco", "ogbench"),
    "stamps": ("transformers", "tokenizers", "timm", "onnxruntime", "ai_edge_litert", "anyascii"),
    "index": ("faiss",),
    "pdf": ("pypandoc", "typst"),
    "cluster": ("snakemake_executor_plugin_slurm",),
    "workflow": (
        "snakemake", "dvc", "mlflow", "sqlalchemy", "filelock", "pandas", "sklearn", "pydantic", "yaml",
        "soundfile", "PIL",
        "open_clip", "huggingface_hub", "transformers", "matplotlib", "jinja2", "markdown", "tabulate",
    ),
}  # fmt: skip


class MissingExtraError(InputError, ImportError):
    """A library is missing; the line names the extra that brings it."""


def remedy(module: str) -> str | None:
    """What to say where `module` is missing; None where no extra brings it."""
    extra = next((name for name, modules in EXTRAS.items() if module in modules), None)
    return None if extra is None else _told(module, extra)


def needs(extra: str, *modules: str) -> None:
    """Raise `MissingExtraError` unless `modules`, which `extra` brings, are installed; none of them is imported."""
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(_told(module, extra))


def _told(module: str, extra: str) -> str:
    return f"this needs {module}: pip install 'ucl[{extra}]'"
