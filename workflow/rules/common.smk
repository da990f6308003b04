# Shared by all experiments - the checked parameters, what is reported, and the code that a result depends on.
import configparser
import csv
import fcntl
import hashlib
import json
import os
import sys
import tokenize

from snakemake.io import strip_wildcard_constraints
from snakemake.resources import Resources

from ucl.errors import InputError
from ucl.experiments.params import read_yaml, validate
from ucl.extras import needs
from ucl.media.requirements import missing_media, missing_stamps
from ucl.reporting.provenance import code_digest

ONLY = config.pop("only", None)  # the experiment that the report waits for; the others are shown as they stand
try:
    for file in workflow.configfiles:  # Snakemake takes the last of two equal keys without a word
        read_yaml(file)
    PARAMS = validate(config)
    PAPER = validate(read_yaml(Path(workflow.basedir) / "params.yaml"))  # what a profile or an option made smaller
except InputError as error:
    sys.exit(str(error))

ROOT = Path(workflow.basedir)
os.environ.update(UCL_ROOT=str(ROOT))  # for workflow/envs/ucl.yaml
EXPERIMENTS = {}  # name -> figures and tables, in the order of the report; filled in by the experiments' rule files


def experiment(name, figures, tables, pages=()):
    """Register what an experiment shows: stems of its figures and tables, without folder and suffix; extra pages."""
    EXPERIMENTS[name] = {"figures": figures, "tables": tables, "pages": [f"reports/{page}.html" for page in pages]}


def figure_files(name, *suffixes):
    suffixes = suffixes or ("svg", "png")
    return [f"reports/figures/{stem}.{suffix}" for stem in EXPERIMENTS[name]["figures"] for suffix in suffixes]


def table_files(name):
    return [f"reports/tables/{stem}.{suffix}" for stem in EXPERIMENTS[name]["tables"] for suffix in ("csv", "md")]


def metrics_file(name):
    return f"reports/metrics/{name}.json"


def headline_file(name):
    """The few numbers that DVC compares."""
    return f"reports/headlines/{name}.json"


def reported(name, files, what):
    """Files of an experiment as Snakemake's own report shows them: by experiment, in the order of the page."""
    category = f"{list(EXPERIMENTS).index(name) + 1:02d} {name}"
    return report(files, caption=f"../report/{name}.rst", category=category, labels={"content": what})


def tracked(name):
    """The receipt of an experiment's runs in MLflow."""
    return f"results/{name}/tracked.json"


def shown(name):
    """What an experiment gives the report."""
    return [
        *figure_files(name),
        *table_files(name),
        *EXPERIMENTS[name]["pages"],
        metrics_file(name),
        headline_file(name),
    ]


def on_the_way(*names):
    """The inputs of these rules, for the target of an experiment: who deletes one of them wants it made anew."""
    return lambda wildcards: [file for name in names for file in getattr(rules, name).input]


def in_root(path):
    """A file of the repository, seen from the working directory (the demo and the tests have their own)."""
    return os.path.relpath(ROOT / path)


def collecting(name):
    """The parameters of a `collect` rule, and where the rules above it write how long they took."""
    above = [own for own in workflow.rules if own.benchmark and Path(own.snakefile).stem == name]
    jobs = {own.name: strip_wildcard_constraints(str(own.benchmark)) for own in above}
    return {"module": f"ucl.experiments.{name}.summary", "experiment": name, "artifacts": shown(name), "jobs": jobs}


def add_code(rules):
    """Give all rules with a script a parameter that tells their code; an edit re-runs them, one of comments does not."""
    for own in rules:
        if own.script:
            named = [*own.params.get("modules", []), *filter(None, [own.params.get("module")])]
            own.set_params(code=code_digest(ROOT / "workflow/rules" / str(own.script), *named))


# Rules by their verb that only copy, fetch, log or render run where `snakemake` does, on a cluster too: there is the
# network, their seconds are fewer than a job's wait, and one process alone writes the database of runs.
LOCAL = ["pull", "fetch", "read", "list", "tabulate", "publish", "collect", "draw", "write", "track", "report"]
# A job may need more than was measured: other parameters, another machine, a busy one. It is given this much more memory
# and time, twice that where only the demo was measured, and more memory with every attempt (profiles/slurm: retries).
MORE_MEMORY, MORE_MEGABYTES, MORE_TIME, FEWEST_MINUTES = 1.5, 500, 4, 15
NOT_MEASURED = {"megabytes": 4000, "seconds": 3600, "scale": "paper"}
with open(ROOT / "workflow/measured.csv") as table:  # of `python -m bench.job_needs`
    MEASURED = {row["rule"]: row for row in csv.DictReader(table)}


def add_needs(rules):
    """State what each rule's jobs need: `mem_mb`, and `runtime` in minutes."""
    for own in rules:
        if own.script:
            row = MEASURED.get(own.name, NOT_MEASURED)
            megabytes, seconds, unsure = int(row["megabytes"]), int(row["seconds"]), 1 + (row["scale"] == "demo")
            runtime = max(FEWEST_MINUTES, unsure * MORE_TIME * seconds // 60)
            memory = round(unsure * MORE_MEMORY * megabytes + MORE_MEGABYTES)
            own.resources.update(Resources.from_mapping({"mem_mb": by_attempt(memory), "runtime": runtime}))


def by_attempt(memory):
    return lambda wildcards, attempt: attempt * memory


def tell_code():
    """Keep `results/code/<experiment>.json` up to date, a digest of its code, and `report.json`, of the page's.

    DVC compares them: what it cannot know by itself is which code an experiment depends on.
    """
    codes = {name: experiment_code(name) for name in EXPERIMENTS}
    codes["report"] = digest_of(rules.report.params.code, *codes.values())
    for name, code in codes.items():
        write_if_new(f"results/code/{name}.json", json.dumps({"code": code}) + "\n")


OUTSIDE = ["synthetic_grid"]  # lies in a rule file but is not part of what its experiment makes


def experiment_code(name):
    """What the scripts of an experiment's rules do, and what its rule files say."""
    files = [f"{name}.smk"]
    if name == "bridging":
        files += ["data.smk"] if set(PARAMS.bridging.suites) != {"digits"} else []
        files += ["stamps.smk"] if "stamps" in PARAMS.bridging.suites else []
    own = [each for each in workflow.rules if each.script and Path(each.snakefile).name in files]
    scripts = [each.params.code for each in own if each.name not in OUTSIDE]
    return digest_of(*map(rule_text, files), *scripts, rules.track.params.code)


def rule_text(name):
    """A rule file but for its comments and its layout."""
    with tokenize.open(ROOT / "workflow/rules" / name) as source:
        tokens = [token for token in tokenize.generate_tokens(source.readline) if token.type != tokenize.COMMENT]
    return " ".join(token.string for token in tokens if token.string.strip())


def digest_of(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def write_if_new(path, text):
    path = Path(path)
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(text)
        temporary.replace(path)


def discard_empty_files():
    """A full disk or a crash can leave files of no bytes, which Snakemake would take for results."""
    for folder in (Path("results"), Path("reports")):
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size == 0 and "logs" not in path.parts:
                path.unlink()


def lock_folder():
    """Hold the working directory for as long as this process lives.

    Snakemake's own lock outlives a killed process and would stop the next run; the kernel frees this one. On a shared
    file system (NFS 3 and 4 with locks) it holds for all machines.
    """
    Path(".snakemake").mkdir(exist_ok=True)
    handle = open(".snakemake/ucl.lock", "w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another snakemake works in {os.getcwd()}: wait for it, or stop it")
    except OSError as error:  # some shared file systems are mounted without
        print(f"{os.getcwd()} takes no locks ({error.strerror}): run one snakemake at a time there", file=sys.stderr)
    return handle


def pulled(name):
    """The receipt of a tracked file or folder of data/."""
    return f"results/data/{name}.pulled.json"


def check_stamps(wildcards):
    """Stop before any job where the stamps are not here, with how to get them."""
    if lines := missing_stamps(in_root(PARAMS.media.stamps)):
        sys.exit("\n".join(lines))
    return []


def check_pointmaze(wildcards):
    """Stop before any job where the suite's libraries are not installed."""
    try:
        needs("pointmaze", "gymnasium_robotics", "mujoco", "ogbench")
    except InputError as error:
        sys.exit(f"explore.suites: pointmaze: {error}")
    return []


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
