"""Stores, images and recordings -> the gallery page."""

from pathlib import Path

from ucl.digits.items import read_sound, read_world
from ucl.experiments.bridging import gallery
from ucl.experiments.bridging.suite import read_suite
from ucl.runtime import start

start(snakemake)
params, files = snakemake.params, snakemake.input
worlds = {name: read_world(*pair) for name, *pair in zip(params.sources, files.table, files.content, strict=True)}
sections = {
    name: gallery.choose_queries(
        read_suite(items, Path(items).parent / "seed0/stores"), params.candidates, 1, params.misses, seed=0
    )
    for name, items in zip(params.sources, files.table, strict=True)
}


def content(suite, modality, item):
    items = worlds[suite][modality]
    return items.content[items.ids.index(item)]


gallery.render_gallery(
    sections,
    params.candidates,
    audio=lambda suite, item: gallery.sound_uri(read_sound(params.sources[suite], item).numpy()),
    spectrogram=lambda suite, item: gallery.spectrogram_uri(content(suite, "audio", item)),
    image=lambda suite, item: gallery.image_uri(content(suite, "image", item)),
    path=snakemake.output[0],
)
