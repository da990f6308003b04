# Experiment `bridging` (sections 6.2.1, 6.2.2, C.2): real media through separately trained encoders.
# A suite gives items.parquet and, per seed, a folder of stores <model>.<modality>.parquet; all else is shared.
TRAINED = ["digits", "recorded_digits"]  # suites whose encoders the workflow trains, one set per seed
PAIRWISE_MODELS = ["image_text", "audio_text", "audio_image"]
JOINT_MODELS = ["joint_text", "joint_image", "joint_audio"]
PAIRWISE_STORES = [f"{model}.{modality}" for model in PAIRWISE_MODELS for modality in model.split("_")]
JOINT_STORES = [f"{model}.{modality}" for model in JOINT_MODELS for modality in ("audio", "image", "text")]
TRAINED_STORES = PAIRWISE_STORES + JOINT_STORES
SPEECH = {"digits": in_root("data/digits/clips.parquet"), "recorded_digits": in_root("data/fsdd/recordings")}
SPEECH_FILES = {"digits": SPEECH["digits"], "recorded_digits": pulled("fsdd/recordings")}  # what jobs wait for
SUITES = PARAMS.bridging.suites
TRAINED_SUITES = [suite for suite in SUITES if suite in TRAINED]
STAMPS_SETS = [f"results/bridging/stamps/seed{seed}" for seed in range(PARAMS.bridging.stamps.splits)]
STAMPS = STAMPS_SETS if "stamps" in SUITES else []
STORED_SUITES = [suite for suite in SUITES if suite != "stamps"]  # suites of stores; stamps has rules of its own
# Per suite, the stores of a set of models, and the numbers of the sets.
SUITE_STORES = {suite: TRAINED_STORES for suite in TRAINED} | {suite: MEDIA_STORES for suite in MEDIA_SUITES}
SUITE_SEEDS = {suite: range(PARAMS.bridging.seeds) for suite in TRAINED} | {suite: [0] for suite in MEDIA_SUITES}

experiment(
    "bridging",
    figures=["bridging_audio_image", "bridging_bank", "bridging_swapped"],
    tables=["bridging", "bridging_bank", "bridging_uniformity"],
    pages=["bridging_gallery"],
)
if STAMPS:
    EXPERIMENTS["bridging"]["figures"].append("bridging_stamps")
# Every set of models of every chosen suite.
SETS = [f"results/bridging/{suite}/seed{seed}" for suite in STORED_SUITES for seed in SUITE_SEEDS[suite]]


scattergather:
    folder=PARAMS.bridging.bank_shards,


wildcard_constraints:
    suite=r"digits|recorded_digits|audioset|folder",
    trained=r"digits|recorded_digits",
    seed=r"\d+",


rule bridging:
    input:
        shown("bridging"),
        tracked("bridging"),
        [
            f"results/bridging/{s}/seed{seed}/stores/{store}.parquet"
            for s in STORED_SUITES
            for seed in SUITE_SEEDS[s]
            for store in SUITE_STORES[s]
        ],
        on_the_way("collect_bridging", "draw_bridging", "show_bridging"),
        # Stamps: models of every split, and the receipts of the networks that they stand on.
        expand("{set}/models/{name}.safetensors", set=STAMPS, name=STAMPS_MODELS),
        [pulled(f"weights/{name}") for names in WEIGHTS.values() for name in names] if STAMPS else [],
        [*rules.publish_stamps.output.models, *rules.show_stamps.output] if STAMPS else [],
        on_the_way("publish_stamps", "show_stamps") if STAMPS else [],


rule prepare_digits:
    input:
        speech=lambda wildcards: SPEECH_FILES[wildcards.trained],
    output:
        table="results/bridging/{trained}/items.parquet",
        content="results/bridging/{trained}/content.safetensors",
    log:
        "results/logs/bridging/{trained}/prepare.log",
    benchmark:
        "results/benchmarks/bridging/{trained}/prepare.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        source=lambda wildcards: SPEECH[wildcards.trained],
        held_out=lambda wildcards: (
            PARAMS.bridging.voices if wildcards.trained == "digits" else PARAMS.bridging.speakers
        ).model_dump(),
    message:
        "Preparing images, phrases and spoken digits of {wildcards.trained}"
    script:
        "../scripts/bridging/prepare_digits.py"


rule train_pairwise_digits:
    input:
        table="results/bridging/{trained}/items.parquet",
        content="results/bridging/{trained}/content.safetensors",
    output:
        stores=[f"results/bridging/{{trained}}/seed{{seed}}/stores/{name}.parquet" for name in PAIRWISE_STORES],
        losses="results/bridging/{trained}/seed{seed}/losses_pairwise.parquet",
    log:
        "results/logs/bridging/{trained}/train_pairwise_{seed}.log",
    benchmark:
        "results/benchmarks/bridging/{trained}/train_pairwise_{seed}.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1  # the models are small: one job a core beats one job on two
    params:
        models=PAIRWISE_MODELS,
        training=PARAMS.bridging.training.model_dump(),
        embed_dims=PARAMS.bridging.embed_dims.model_dump(),
    message:
        "Training the pairwise models of {wildcards.trained}, seed {wildcards.seed}, and embedding all items"
    script:
        "../scripts/bridging/train_digits.py"


use rule train_pairwise_digits as train_joint_digits with:
    output:
        stores=[f"results/bridging/{{trained}}/seed{{seed}}/stores/{name}.parquet" for name in JOINT_STORES],
        losses="results/bridging/{trained}/seed{seed}/losses_joint.parquet",
    log:
        "results/logs/bridging/{trained}/train_joint_{seed}.log",
    benchmark:
        "results/benchmarks/bridging/{trained}/train_joint_{seed}.tsv"
    priority: 1  # the longer jobs first
    params:
        models=JOINT_MODELS,
        training=PARAMS.bridging.training.model_dump(),
        embed_dims=PARAMS.bridging.embed_dims.model_dump(),
    message:
        "Training the joint models of {wildcards.trained}, seed {wildcards.seed}, and embedding all items"


rule score_bridging_shard:
    input:
        table="results/bridging/folder/items.parquet",
        stores=[f"results/bridging/folder/seed0/stores/{name}.parquet" for name in SUITE_STORES.get("folder", [])],
    output:
        temp(directory("results/bridging/folder/seed0/shards/{scatteritem}")),
    log:
        "results/logs/bridging/folder/score_{scatteritem}.log",
    benchmark:
        "results/benchmarks/bridging/folder/score_{scatteritem}.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    message:
        "Scoring the suite folder, shard {wildcards.scatteritem} of its banks"
    script:
        "../scripts/bridging/score_shard.py"


rule score_bridging:
    input:
        table="results/bridging/{suite}/items.parquet",
        stores=lambda wildcards: [
            f"results/bridging/{wildcards.suite}/seed{wildcards.seed}/stores/{name}.parquet"
            for name in SUITE_STORES[wildcards.suite]
        ],
        shards=lambda wildcards: (
            gather.folder("results/bridging/folder/seed0/shards/{scatteritem}")
            if wildcards.suite == "folder" and PARAMS.bridging.bank_shards > 1
            else []
        ),
    output:
        recall="results/bridging/{suite}/seed{seed}/recall.parquet",
        banks="results/bridging/{suite}/seed{seed}/banks.parquet",
        uniformity="results/bridging/{suite}/seed{seed}/uniformity.parquet",
    log:
        "results/logs/bridging/{suite}/score_{seed}.log",
    benchmark:
        "results/benchmarks/bridging/{suite}/score_{seed}.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.bridging.model_dump(include={"candidates", "draws", "bank_sizes", "bank_draws", "distil_steps"}),
    message:
        "Scoring {wildcards.suite}, seed {wildcards.seed}: direct, LogSumExp, joint, ground truth"
    script:
        "../scripts/bridging/score.py"


rule collect_bridging:
    input:
        table=expand("results/bridging/{suite}/items.parquet", suite=SUITES),
        recall=expand("{set}/recall.parquet", set=SETS),
        stamps=expand("{set}/{part}.parquet", set=STAMPS, part=["spoken", "sounds"]),
        banks=expand("{set}/banks.parquet", set=SETS),
        uniformity=expand("{set}/uniformity.parquet", set=SETS),
        losses=expand(
            "results/bridging/{suite}/seed{seed}/losses_{kind}.parquet",
            suite=TRAINED_SUITES,
            kind=["pairwise", "joint"],
            seed=range(PARAMS.bridging.seeds),
        ),
    output:
        recall="results/bridging/recall.parquet",
        banks="results/bridging/banks.parquet",
        runs="results/bridging/runs.json",
        headline=headline_file("bridging"),
        metrics=reported("bridging", [metrics_file("bridging")], "metrics"),
        tables=table_files("bridging"),
    log:
        "results/logs/bridging/collect.log",
    benchmark:
        "results/benchmarks/bridging/collect.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        **collecting("bridging"),
        section=PARAMS.bridging.model_dump(),
    message:
        "Collecting the numbers of bridging"
    script:
        "../scripts/collect.py"


rule draw_bridging:
    input:
        recall="results/bridging/recall.parquet",
        banks="results/bridging/banks.parquet",
    output:
        reported("bridging", figure_files("bridging", "svg"), "figure"),
        figure_files("bridging", "png"),
    log:
        "results/logs/bridging/draw.log",
    benchmark:
        "results/benchmarks/bridging/draw.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        module="ucl.experiments.bridging.figures",
        section=PARAMS.bridging.model_dump(include={"candidates", "seeds"}),
    message:
        "Drawing the figures of bridging"
    script:
        "../scripts/draw.py"


rule show_bridging:
    input:
        speech=[SPEECH_FILES[suite] for suite in TRAINED_SUITES],
        table=expand("results/bridging/{suite}/items.parquet", suite=TRAINED_SUITES),
        content=expand("results/bridging/{suite}/content.safetensors", suite=TRAINED_SUITES),
        stores=expand("results/bridging/{suite}/seed0/stores/{name}.parquet", suite=TRAINED_SUITES, name=TRAINED_STORES),
    output:
        "reports/bridging_gallery.html",
    log:
        "results/logs/bridging/show.log",
    benchmark:
        "results/benchmarks/bridging/show.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        sources={suite: SPEECH[suite] for suite in TRAINED_SUITES},
        candidates=PARAMS.bridging.candidates[0],
        misses=PARAMS.bridging.shown_misses,
    message:
        "Making the page to look at and listen to"
    script:
        "../scripts/bridging/show.py"
