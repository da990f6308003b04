# Shared by all experiments - the checked parameters, what is reported, and the sources a result depends on.
import ast
import configparser
import fcntl
import functools
import os
import sys

from ucl.config import validate
from ucl.errors import InputError
from ucl.media.requirements import missing_media

try:
    PARAMS = validate(config)
except InputError as error:
    sys.exit(str(error))

ROOT = Path(workflow.basedir)
EXPERIMENTS = {}  # name -> figures and tables, in the order of the report; filled in by the experiments' rule files

# Plumbing: an edit there changes how a result is stored or checked, not what it is.
PLUMBING = {"config", "errors", "figures", "files", "tables", "tensors"}


def experiment(name, figures, tables, pages=()):
    """Register what an experiment shows: stems of its figures and tables, without folder and suffix; extra pages."""
    EXPERIMENTS[name] = {"figures": figures, "tables": tables, "pages": [f"reports/{page}.html" for page in pages]}


def figure_files(name):
    return [f"reports/figures/{stem}.{suffix}" for stem in EXPERIMENTS[name]["figures"] for suffix in ("svg", "png")]


def table_files(name):
    return [f"reports/tables/{stem}.{suffix}" for stem in EXPERIMENTS[name]["tables"] for suffix in ("csv", "md")]


def metrics_file(name):
    return f"reports/metrics/{name}.json"


def tracked(name):
    """The receipt of an experiment's runs in MLflow."""
    return f"results/{name}/tracked.json"


def shown(name):
    """What an experiment gives the report."""
    return [*figure_files(name), *table_files(name), *EXPERIMENTS[name]["pages"], metrics_file(name)]


def in_root(path):
    """A file of the repository, seen from the working directory (the demo and the tests have their own)."""
    return os.path.relpath(ROOT / path)


@functools.cache
def imported(path):
    """The names that a file of the package imports from it."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    froms = [n for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("ucl")]
    return [name for n in froms for name in (n.module, *(f"{n.module}.{alias.name}" for alias in n.names))]


def modules(*names):
    """The package modules that `ucl.<name>` depends on, itself included: inputs, so that an edit re-runs the rule."""
    seen, queue = {}, [f"ucl.{name}" for name in names]
    while queue:
        name = queue.pop()
        if name == "ucl" or name in seen or name.removeprefix("ucl.") in PLUMBING:
            continue
        base = ROOT / name.replace(".", "/")
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if not path.exists():  # a name that a module defines
            continue
        seen[name] = in_root(path.relative_to(ROOT))
        queue += imported(path)
    return sorted(seen.values())


def lock_folder():
    """Hold the working directory for as long as this process lives.

    Snakemake's own lock outlives a killed process and would stop the next run; the kernel frees this one.
    """
    Path(".snakemake").mkdir(exist_ok=True)
    handle = open(".snakemake/ucl.lock", "w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"another snakemake works in {os.getcwd()}: wait for it, or stop it")
    return handle


def pulled(name):
    """The receipt of a tracked file or folder of data/."""
    return f"results/data/{name}.pulled.json"


def check_media(wildcards):
    """Stop before any job where a suite of real media lacks something: a line for each thing and what to do about it."""
    done = [f"results/bridging/{wildcards.media}/seed0/stores/{name}.parquet" for name in MEDIA_STORES]
    if all(Path(file).exists() for file in done):
        return []
    remotes = configparser.ConfigParser()
    remotes.read([ROOT / ".dvc" / "config", ROOT / ".dvc" / "config.local"])
    lines = missing_media(
        PARAMS.media.models().values(),
        wildcards.media,
        ROOT,
        manifest=in_root(PARAMS.media.manifest),
        fetched=Path(f"results/bridging/{wildcards.media}/manifest.parquet").exists(),
        remote=remotes.has_option("core", "remote"),
    )
    if lines:
        sys.exit("\n".join(lines))
    return []
