# Published data and real media - tracked files, tables, clips, embeddings of pretrained models (section 6.2.1).
# Nothing here runs unless a suite of `bridging` that needs it is chosen.
TABLES = {
    "classes": ["audioset/ontology.json"],
    "labels": ["audioset/class_labels_indices.csv"],
    "clips": ["audioset/eval_segments.csv", "audioset/ontology.json"],
    "captions": [f"audiocaps/{split}.csv" for split in ("train", "val", "test")],
}
MEDIA_SUITES = ["audioset", "folder"]  # suites of `bridging` with pretrained models
MEDIA_MODELS = PARAMS.media.models()
MEDIA_STORES = [
    f"{role}.{modality}"
    for role in MEDIA_MODELS
    for modality in (["audio", "image", "text"] if role.startswith("joint") else role.split("_"))
]


rule pull_data:
    input:
        pointer=lambda wildcards: in_root(f"data/{wildcards.tracked}.dvc"),
    output:
        pulled("{tracked}"),
    log:
        "results/logs/data/pull/{tracked}.log",
    wildcard_constraints:
        tracked="audioset/[a-z_.]+|audiocaps/[a-z]+.csv|fsdd/recordings|weights/[a-z0-9_.]+",
    conda:
        "../envs/ucl.yaml"
    params:
        root=os.path.relpath(ROOT),
        # What is written beside the receipt: no output, which Snakemake would delete when a job fails.
        data=lambda wildcards: in_root(f"data/{wildcards.tracked}"),
    message:
        "Fetching data/{wildcards.tracked}, from the DVC remote if there is one, else from upstream"
    script:
        "../scripts/data/pull.py"


rule tabulate_data:
    input:
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
        "../scripts/data/tabulate.py"


rule fetch_clips:
    input:
        check_media,
        clips="results/data/clips.parquet",
    output:
        manifest="results/bridging/{media}/manifest.parquet",
        failures="results/bridging/{media}/clips_failed.parquet",
    log:
        "results/logs/bridging/{media}/fetch_clips.log",
    benchmark:
        "results/benchmarks/bridging/{media}/fetch_clips.tsv"
    wildcard_constraints:
        media="audioset",
    conda:
        "../envs/ucl.yaml"
    params:
        clips=PARAMS.media.clips,
        pause=PARAMS.media.pause,
        folder=in_root("data/audioset/media"),
    message:
        "Fetching AudioSet clips; interrupt and start again at will"
    script:
        "../scripts/data/fetch_clips.py"


rule read_folder:
    input:
        check_media,
    output:
        manifest="results/bridging/{media}/manifest.parquet",
    log:
        "results/logs/bridging/{media}/read_folder.log",
    wildcard_constraints:
        media="folder",
    conda:
        "../envs/ucl.yaml"
    params:
        manifest=in_root(PARAMS.media.manifest),
    message:
        "Reading the manifest {params.manifest}"
    script:
        "../scripts/data/read_folder.py"


rule embed_media:
    input:
        check_media,
        manifest="results/bridging/{media}/manifest.parquet",
        classes=lambda wildcards: "results/data/classes.parquet" if wildcards.media == "audioset" else [],
    output:
        store="results/bridging/{media}/seed0/stores/{role}.{modality}.parquet",
        failures="results/bridging/{media}/failures/{role}.{modality}.parquet",
    log:
        "results/logs/bridging/{media}/embed_{role}_{modality}.log",
    benchmark:
        "results/benchmarks/bridging/{media}/embed_{role}_{modality}.tsv"
    wildcard_constraints:
        media="|".join(MEDIA_SUITES),
        role="image_text|audio_text|joint_text|joint_image",
        modality="image|text|audio",
    conda:
        "../envs/ucl.yaml"
    threads: 4
    resources:
        gpu=1,
    params:
        model=lambda wildcards: MEDIA_MODELS[wildcards.role].model_dump(),
        batch=PARAMS.media.batch,
        max_failed=PARAMS.media.max_failed,
        shards=lambda wildcards: f"results/bridging/{wildcards.media}/shards/{wildcards.role}.{wildcards.modality}",
    message:
        "Embedding {wildcards.modality} of {wildcards.media} with {params.model[library]} {params.model[model]}"
    script:
        "../scripts/data/embed.py"


rule list_media:
    input:
        manifest="results/bridging/{media}/manifest.parquet",
        classes=lambda wildcards: "results/data/classes.parquet" if wildcards.media == "audioset" else [],
        stores=[f"results/bridging/{{media}}/seed0/stores/{name}.parquet" for name in MEDIA_STORES],
    output:
        "results/bridging/{media}/items.parquet",
    log:
        "results/logs/bridging/{media}/list.log",
    wildcard_constraints:
        media="|".join(MEDIA_SUITES),
    conda:
        "../envs/ucl.yaml"
    message:
        "Listing the clips of {wildcards.media} that every model could embed, and the bank of texts"
    script:
        "../scripts/data/list.py"
