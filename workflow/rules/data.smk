# Published data and real media - tracked files, tables, clips, embeddings of pretrained models (section 6.2.1).
# Nothing here runs unless a suite of `bridging` that needs it is chosen.
import configparser

from ucl.media.requirements import missing_media


wildcard_constraints:
    suite="audioset|folder",
    role="image_text|audio_text|joint[0-9]+",
    modality="image|text|audio",


TABLES = {
    "classes": ["audioset/ontology.json"],
    "labels": ["audioset/class_labels_indices.csv"],
    "clips": ["audioset/eval_segments.csv", "audioset/ontology.json"],
    "captions": [f"audiocaps/{split}.csv" for split in ("train", "val", "test")],
}
MODELS = {"image_text": PARAMS.media.image_text, "audio_text": PARAMS.media.audio_text}
MODELS |= {f"joint{i}": model for i, model in enumerate(PARAMS.media.joint)}


def pulled(name):
    """The receipt of a tracked file or folder of data/."""
    return f"results/data/{name}.pulled.json"


def store(suite, role, modality):
    """The embeddings of one modality of a suite by one of its models."""
    return f"results/bridging/{suite}/embeddings/{role}.{modality}.parquet"


def has_remote():
    """Whether DVC knows a default remote."""
    files = configparser.ConfigParser()
    files.read([ROOT / ".dvc" / "config", ROOT / ".dvc" / "config.local"])
    return files.has_option("core", "remote")


def check_media(wildcards):
    """Stop before any job where a suite lacks something: one line for each thing, and what to do about it."""
    fetched = Path(f"results/bridging/{wildcards.suite}/manifest.parquet").exists()
    lines = missing_media(PARAMS.media, wildcards.suite, ROOT, fetched=fetched, remote=has_remote())
    if lines:
        sys.exit("\n".join(lines))
    return []


rule pull_data:
    input:
        modules("media.sources"),
        pointer=lambda wildcards: in_root(f"data/{wildcards.tracked}.dvc"),
    output:
        pulled("{tracked}"),
    log:
        "results/logs/data/pull/{tracked}.log",
    wildcard_constraints:
        tracked="audioset/[a-z_.]+|audiocaps/[a-z]+.csv|fsdd/recordings",
    conda:
        "../envs/ucl.yaml"
    params:
        root=os.path.relpath(ROOT),
    message:
        "Fetching data/{wildcards.tracked}, from the DVC remote if there is one, else from upstream"
    script:
        "../scripts/pull_data.py"


rule tabulate_data:
    input:
        modules("media.tables"),
        receipts=lambda wildcards: [pulled(name) for name in TABLES[wildcards.table]],
    output:
        "results/data/{table}.parquet",
    log:
        "results/logs/data/tabulate_{table}.log",
    wildcard_constraints:
        table="|".join(TABLES),
    conda:
        "../envs/ucl.yaml"
    message:
        "Reading the table of {wildcards.table}"
    script:
        "../scripts/tabulate_data.py"


rule fetch_clips:
    input:
        modules("media.clips"),
        check_media,
        clips="results/data/clips.parquet",
    output:
        manifest="results/bridging/{suite}/manifest.parquet",
        failures="results/bridging/{suite}/clips_failed.parquet",
    log:
        "results/logs/bridging/{suite}/fetch_clips.log",
    benchmark:
        "results/benchmarks/bridging/{suite}/fetch_clips.tsv"
    wildcard_constraints:
        suite="audioset",
    conda:
        "../envs/ucl.yaml"
    params:
        clips=PARAMS.media.clips,
        pause=PARAMS.media.pause,
        folder=in_root("data/audioset/media"),
    message:
        "Fetching AudioSet clips; interrupt and start again at will"
    script:
        "../scripts/fetch_clips.py"


rule read_folder:
    input:
        modules("media.manifest"),
        check_media,
    output:
        manifest="results/bridging/{suite}/manifest.parquet",
    log:
        "results/logs/bridging/{suite}/read_folder.log",
    wildcard_constraints:
        suite="folder",
    conda:
        "../envs/ucl.yaml"
    params:
        manifest=PARAMS.media.manifest,
    message:
        "Reading the manifest {params.manifest}"
    script:
        "../scripts/read_folder.py"


rule embed_media:
    input:
        modules("media.encoders", "media.embed", "media.manifest"),
        check_media,
        manifest="results/bridging/{suite}/manifest.parquet",
        classes=branch(
            lambda wildcards: wildcards.suite == "audioset", then="results/data/classes.parquet", otherwise=[]
        ),
    output:
        store=store("{suite}", "{role}", "{modality}"),
        failures="results/bridging/{suite}/embeddings/{role}.{modality}.failures.parquet",
    log:
        "results/logs/bridging/{suite}/embed_{role}_{modality}.log",
    benchmark:
        "results/benchmarks/bridging/{suite}/embed_{role}_{modality}.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 4
    resources:
        gpu=1,
    params:
        model=lambda wildcards: MODELS[wildcards.role].model_dump(),
        batch=PARAMS.media.batch,
        max_failed=PARAMS.media.max_failed,
        shards=lambda wildcards: f"results/bridging/{wildcards.suite}/shards/{wildcards.role}.{wildcards.modality}",
    message:
        "Embedding {wildcards.modality} of {wildcards.suite} with {params.model[library]} {params.model[model]}"
    script:
        "../scripts/embed_media.py"


rule score_media:
    input:
        modules("media.pretrained"),
        image_text=[store("{suite}", "image_text", modality) for modality in ("image", "text")],
        audio_text=[store("{suite}", "audio_text", modality) for modality in ("audio", "text")],
        joint=[
            store("{suite}", role, modality)
            for role in MODELS
            if role.startswith("joint")
            for modality in ("image", "audio", "text")
        ],
    output:
        "results/bridging/{suite}/recall.parquet",
    log:
        "results/logs/bridging/{suite}/score.log",
    benchmark:
        "results/benchmarks/bridging/{suite}/score.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        candidates=PARAMS.media.candidates,
        draws=PARAMS.media.draws,
    message:
        "Scoring audio against images, directly and through the bank of texts ({wildcards.suite})"
    script:
        "../scripts/score_media.py"
