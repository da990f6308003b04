# Suite `stamps` of `bridging` - drawings, spoken captions and sounds on pretrained networks; runs only where chosen.
WEIGHTS = {
    "image": ["efficientnet_lite0.pth", "imagenet_names.json", "minilm.zip"],
    "text": ["minilm.zip"],
    "speech": ["melspectrogram.onnx", "speech_embedding.onnx"],
    "sound": ["yamnet.tflite", "minilm.zip"],
}
STAMPS_FEATURES = expand("results/bridging/stamps/features/{kind}.safetensors", kind=WEIGHTS)
STAMPS_MODELS = ["image_text", "audio_text", "audio_image", "sound_text"]  # of a split
PUBLISHED = [name for name in STAMPS_MODELS if name != "audio_image"]  # which saw pairs that a bridge never sees
SPLIT = {"test", "validation", "image"}  # parameters of who is trained on and who is tested


rule list_stamps:
    input:
        check_stamps,
    output:
        "results/bridging/stamps/items.parquet",
    log:
        "results/logs/bridging/stamps/list.log",
    benchmark:
        "results/benchmarks/bridging/stamps/list.tsv"
    conda:
        "../envs/ucl.yaml"
    params:
        folder=in_root(PARAMS.media.stamps),
        language=PARAMS.bridging.stamps.language,
    message:
        "Listing the stamps of {params.folder}, read aloud in {params.language}"
    script:
        "../scripts/bridging/list_stamps.py"


rule embed_stamps:
    input:
        table="results/bridging/stamps/items.parquet",
        weights=lambda wildcards: [pulled(f"weights/{name}") for name in WEIGHTS[wildcards.kind]],
    output:
        "results/bridging/stamps/features/{kind}.safetensors",
    log:
        "results/logs/bridging/stamps/embed_{kind}.log",
    benchmark:
        "results/benchmarks/bridging/stamps/embed_{kind}.tsv"
    wildcard_constraints:
        kind="|".join(WEIGHTS),
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        weights=in_root("data/weights"),
    message:
        "Features of the stamps ({wildcards.kind}) by a pretrained network"
    script:
        "../scripts/bridging/embed_stamps.py"


rule train_stamps:
    input:
        table="results/bridging/stamps/items.parquet",
        features=STAMPS_FEATURES,
    output:
        models=[
            f"results/bridging/stamps/seed{{seed}}/models/{name}.safetensors"
            for name in STAMPS_MODELS
            if name != "sound_text"
        ],
    log:
        "results/logs/bridging/stamps/train_{seed}.log",
    benchmark:
        "results/benchmarks/bridging/stamps/train_{seed}.tsv"
    priority: 1  # the longer jobs first
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.bridging.stamps.model_dump(include={*SPLIT, "image_text", "audio"}),
        weights=in_root("data/weights"),
    message:
        "Training on pictures, captions and speech of the stamps, split {wildcards.seed}"
    script:
        "../scripts/bridging/train_stamps.py"


rule score_stamps:
    input:
        table="results/bridging/stamps/items.parquet",
        features=STAMPS_FEATURES,
        models=rules.train_stamps.output.models,
    output:
        "results/bridging/stamps/seed{seed}/spoken.parquet",
    log:
        "results/logs/bridging/stamps/score_{seed}.log",
    benchmark:
        "results/benchmarks/bridging/stamps/score_{seed}.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.bridging.stamps.model_dump(include={*SPLIT, "candidates"}),
        draws=PARAMS.bridging.draws,
    message:
        "Scoring the spoken protocols of stamps, split {wildcards.seed}: every method"
    script:
        "../scripts/bridging/score_stamps.py"


rule score_stamps_sounds:
    input:
        table="results/bridging/stamps/items.parquet",
        features=STAMPS_FEATURES,
    output:
        recall="results/bridging/stamps/seed{seed}/sounds.parquet",
        model="results/bridging/stamps/seed{seed}/models/sound_text.safetensors",
    log:
        "results/logs/bridging/stamps/score_sounds_{seed}.log",
    benchmark:
        "results/benchmarks/bridging/stamps/score_sounds_{seed}.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.bridging.stamps.model_dump(include={"validation", "folds", "candidates", "image_text"}),
        draws=PARAMS.bridging.draws,
        weights=in_root("data/weights"),
    message:
        "Training on and scoring the sound effects of stamps, split {wildcards.seed}"
    script:
        "../scripts/bridging/score_stamps_sounds.py"


rule publish_stamps:
    input:
        models=expand("results/bridging/stamps/seed0/models/{name}.safetensors", name=PUBLISHED),
    output:
        models=expand("results/bridging/stamps/models/{name}.safetensors", name=PUBLISHED),
    log:
        "results/logs/bridging/stamps/publish.log",
    conda:
        "../envs/ucl.yaml"
    message:
        "The models of split 0 where `stamps:image_text`, `stamps:audio_text` and `stamps:sound_text` are looked for"
    script:
        "../scripts/bridging/publish_stamps.py"


rule show_stamps:
    input:
        table="results/bridging/stamps/items.parquet",
        features=STAMPS_FEATURES,
        models=expand("results/bridging/stamps/seed0/models/{name}.safetensors", name=STAMPS_MODELS),
    output:
        "results/bridging/stamps/gallery.html",
    log:
        "results/logs/bridging/stamps/show.log",
    benchmark:
        "results/benchmarks/bridging/stamps/show.tsv"
    conda:
        "../envs/ucl.yaml"
    threads: 1
    params:
        section=PARAMS.bridging.stamps.model_dump(include={*SPLIT, "candidates"}),
        shown=PARAMS.bridging.shown_misses,
    message:
        "Making the page to hear and see the stamps"
    script:
        "../scripts/bridging/show_stamps.py"
