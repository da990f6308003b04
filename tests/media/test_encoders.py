"""The real loading code of open_clip and laion-clap, on checkpoints written here in their published formats."""

import json
import pickle
import time

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import save_file
from small_models import TINY, cache, published, saved, small_clap, small_roberta, tiny_clip

from ucl.errors import InputError
from ucl.media import hub
from ucl.media.base import MediaError, pair_scale, weights_digest
from ucl.media.decode import read_audio
from ucl.media.embed import embed
from ucl.media.encoders import load_encoders, read_checkpoint
from ucl.media.store import write_store

CPU = torch.device("cpu")
MEAN_STD = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """No request can leave: the hub's cache is an empty folder of this test and its offline mode is on."""
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture
def image_files(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for i, (mode, size) in enumerate([("RGB", (48, 40)), ("L", (32, 32)), ("RGBA", (20, 60))]):
        channels = {"RGB": 3, "L": 1, "RGBA": 4}[mode]
        array = rng.integers(0, 256, (size[1], size[0], channels), dtype=np.uint8).squeeze()
        paths.append(tmp_path / f"image{i}.png")
        Image.fromarray(array, mode).save(paths[-1])
    return paths


def config() -> bytes:
    return json.dumps({"model_cfg": TINY, "preprocess_cfg": {**MEAN_STD, "size": 32}}).encode()


def by_hand(clip, path) -> torch.Tensor:
    """Resize the shorter side to 32, crop the centre, normalise, run the image tower: without open_clip's transform."""
    image = Image.open(path).convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    width, height = image.size
    short = min(width, height)
    image = image.resize((int(32 * width / short), int(32 * height / short)), Image.Resampling.BICUBIC)
    left, top = round((image.width - 32) / 2), round((image.height - 32) / 2)
    array = np.asarray(image.crop((left, top, left + 32, top + 32)), np.float32) / 255
    array = (array - np.array(MEAN_STD["mean"])) / np.array(MEAN_STD["std"])
    with torch.no_grad():
        features = clip.visual(torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1)[None])
    return features[0] / features[0].norm()


@pytest.mark.parametrize("layout", ["hub", "folder safetensors", "folder bin"])
def test_open_clip_from_published_layouts(layout, clip, image_files, tmp_path, offline):
    if layout == "hub":
        files = {"open_clip_config.json": config(), "open_clip_pytorch_model.bin": saved(clip.state_dict(), tmp_path)}
        cache(offline, "org/tiny-clip", files)
        model = "hf-hub:org/tiny-clip"
    else:
        folder = tmp_path / "tiny"
        folder.mkdir()
        (folder / "open_clip_config.json").write_bytes(config())
        if layout.endswith("bin"):
            torch.save(clip.state_dict(), folder / "open_clip_pytorch_model.bin")
        else:
            save_file(clip.state_dict(), folder / "open_clip_model.safetensors")
        model = f"local-dir:{folder}"
    encoders = load_encoders("open_clip", model, None, CPU)
    image, text = encoders["image"], encoders["text"]
    assert image.info.weights_digest == text.info.weights_digest == weights_digest(clip)
    assert pair_scale(image.info, text.info) == pytest.approx(43.5)
    assert (image.info.width, image.info.normalized, image.info.modality) == (24, True, "image")
    rows = image.encode(image_files)
    expected = torch.stack([by_hand(clip, path) for path in image_files])
    assert torch.allclose(rows, expected, atol=2e-5)
    words = text.encode(["a dog", "the sound of rain"])
    assert torch.allclose(words.norm(dim=1), torch.ones(2), atol=1e-6)
    assert torch.allclose(words[1:], text.encode(["the sound of rain"]), atol=1e-6)
    assert not torch.allclose(words[0], words[1])


def test_a_training_checkpoint_with_numpy_scalars_and_a_prefix_is_read(clip, tmp_path):
    state = {f"module.{name}": value for name, value in clip.state_dict().items()}
    torch.save({"epoch": 3, "best": np.float64(0.5), "state_dict": state}, tmp_path / "epoch_3.pt")
    read = read_checkpoint(tmp_path / "epoch_3.pt")
    assert set(read) == set(clip.state_dict())
    assert torch.equal(read["logit_scale"], clip.state_dict()["logit_scale"])


def test_open_clip_checkpoint_path_with_a_named_configuration(clip, tmp_path):
    import open_clip

    (tmp_path / "ucl-tiny.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "ucl-tiny.json")
    state = {f"module.{name}": value for name, value in clip.state_dict().items()}
    torch.save({"epoch": 3, "best": np.float64(0.5), "state_dict": state}, tmp_path / "epoch_3.pt")
    info = load_encoders("open_clip", "ucl-tiny", str(tmp_path / "epoch_3.pt"), CPU)["text"].info
    assert info.weights_digest == weights_digest(clip)
    assert info.model == "open_clip/ucl-tiny/epoch_3.pt"


def test_open_clip_offline_and_missing_is_one_line_at_once():
    start = time.monotonic()
    with pytest.raises(
        InputError, match=r"laion/CLIP-ViT-B-32-laion2B-s34B-b79K.*not in the hub cache.*hf download"
    ) as error:
        load_encoders("open_clip", "ViT-B-32", "laion2b_s34b_b79k", CPU)
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 5


def test_open_clip_never_returns_random_weights(tmp_path, offline):
    (tmp_path / "open_clip_config.json").write_bytes(config())
    with pytest.raises(InputError, match="open_clip cannot load"):
        load_encoders("open_clip", f"local-dir:{tmp_path}", None, CPU)
    with pytest.raises(InputError, match=r"open_clip cannot load ViT-B-32 with no-such-tag"):
        load_encoders("open_clip", "ViT-B-32", "no-such-tag", CPU)


class Evil:
    def __reduce__(self):
        return (print, ("code from the checkpoint ran",))


@pytest.mark.parametrize("content", [{"state_dict": Evil()}, pickle.dumps(Evil()), b"", {"state_dict": {"a": 1}}])
def test_a_checkpoint_with_code_in_it_is_refused(content, tmp_path, capsys):
    path = tmp_path / "evil.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match=r"evil\.pt: ") as error:
        read_checkpoint(path)
    assert "ran" not in capsys.readouterr().out
    assert "\n" not in str(error.value)


def test_corrupt_images_become_reasons_in_the_table(clip, image_files, tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "open_clip_config.json").write_bytes(config())
    save_file(clip.state_dict(), folder / "open_clip_model.safetensors")
    image = load_encoders("open_clip", f"local-dir:{folder}", None, CPU)["image"]
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "cut.png").write_bytes(image_files[0].read_bytes()[:300])
    items = {f"good{i}": path for i, path in enumerate(image_files)}
    items |= {"text": tmp_path / "text.jpg", "cut": tmp_path / "cut.png", "gone": tmp_path / "gone.png"}
    store, failures = embed(image, items, shards=tmp_path / "s", batch=2, max_failed=0.5, progress=False)
    assert torch.allclose(store.embeddings, image.encode(image_files), atol=1e-6)
    assert failures["id"].tolist() == ["text", "cut", "gone"]
    assert failures["reason"].str.len().min() > 5
    write_store(store, tmp_path / "made" / "image.parquet")
    again = load_encoders("precomputed", "any", str(tmp_path / "made"), CPU)["image"]
    assert torch.equal(again.encode(["good2", "good0"]), store.embeddings[[2, 0]])
    with pytest.raises(MediaError, match="no embedding of this id"):
        again.encode(["text"])


def test_empty_texts_are_failures():
    from ucl.media.base import EncoderInfo
    from ucl.media.tower import Tower

    tower = Tower(EncoderInfo("m", "text", 1, False, 1.0, "d"), lambda text: text, lambda b: torch.ones(len(b), 1))
    for item in ("", "  ", None, 3):
        with pytest.raises(MediaError, match="not a text"):
            tower.prepare(item)


@pytest.fixture
def clap_files(tmp_path):
    rng = np.random.default_rng(0)
    waves = {
        "at_rate.wav": (rng.normal(0, 0.1, (48_000, 1)), 48_000),
        "stereo.flac": (rng.normal(0, 0.1, (16_000, 2)), 16_000),
        "long.wav": (rng.normal(0, 0.1, (48_000 * 11, 1)), 48_000),
    }
    for name, (wave, rate) in waves.items():
        soundfile.write(tmp_path / name, wave, rate)
    return [tmp_path / name for name in waves]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's old readers, in the oracle
def test_laion_clap_from_a_published_style_checkpoint(clap_files, tmp_path, offline):
    cache(offline, "roberta-base", small_roberta(tmp_path))
    module = small_clap()
    content = published(module)
    cache(offline, "lukewys/laion_clap", {"630k-audioset-best.pt": saved(content, tmp_path)})

    encoders = load_encoders("laion_clap", "HTSAT-tiny", "630k-audioset-best.pt", CPU)
    audio, text = encoders["audio"], encoders["text"]
    assert pair_scale(audio.info, text.info) == pytest.approx(18.6)
    assert audio.info.weights_digest == weights_digest(module.model)
    assert (audio.info.width, audio.info.model) == (512, "laion_clap/HTSAT-tiny/630k-audioset-best.pt")
    # The library's own entry points are the oracle: from files (short ones; it cuts long ones at random), from texts.
    rows = audio.encode(clap_files)
    with torch.no_grad():
        expected = module.get_audio_embedding_from_filelist([str(path) for path in clap_files[:2]], use_tensor=True)
        words = module.get_text_embedding(["a dog barks", "rain"], use_tensor=True)
    assert torch.allclose(rows[:2], expected, atol=1e-5)
    assert torch.allclose(rows.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(rows[2:], audio.encode(clap_files[2:]), atol=1e-5)  # a long file, the same every time
    assert torch.allclose(text.encode(["a dog barks", "rain"]), words, atol=1e-5)
    assert not torch.allclose(words[0], words[1], atol=1e-4)

    torch.save({"state_dict": content["state_dict"] | {"module.surplus": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt: does not fit"):
        load_encoders("laion_clap", "HTSAT-tiny", str(tmp_path / "other.pt"), CPU)


def test_laion_clap_offline_and_missing_is_one_line_at_once():
    start = time.monotonic()
    with pytest.raises(InputError, match=r"lukewys/laion_clap: 630k-audioset-best\.pt not in the hub cache"):
        load_encoders("laion_clap", "HTSAT-tiny", "630k-audioset-best.pt", CPU)
    assert time.monotonic() - start < 5


def test_weights_at_a_path_that_is_not_there_are_told(tmp_path):
    with pytest.raises(InputError, match=r"gone\.pt: no such file"):
        load_encoders("laion_clap", "HTSAT-tiny", str(tmp_path / "gone.pt"), CPU)
    with pytest.raises(InputError, match=r"open_clip cannot load ViT-B-32 with .*gone\.pt"):
        load_encoders("open_clip", "ViT-B-32", str(tmp_path / "gone.pt"), CPU)
    with pytest.raises(InputError, match="expected a folder of embedding stores"):
        load_encoders("precomputed", "any", str(tmp_path), CPU)


def test_laion_clap_names_the_missing_roberta(tmp_path):
    (tmp_path / "clap.pt").write_bytes(b"")
    with pytest.raises(InputError, match=r"roberta-base: config\.json not in the hub cache"):
        load_encoders("laion_clap", "HTSAT-tiny", str(tmp_path / "clap.pt"), CPU)


@pytest.mark.parametrize(("library", "how"), [("imagebind", "pip install git"), ("languagebind", "PYTHONPATH")])
def test_optional_libraries_say_how_to_install_them(library, how):
    with pytest.raises(InputError, match=rf"{library}.*not installed.*{how}"):
        load_encoders(library, "x", None, CPU)


def test_an_unknown_library_names_the_allowed():
    with pytest.raises(InputError, match="allowed: open_clip, laion_clap, imagebind, languagebind, precomputed"):
        load_encoders("clip", "x", None, CPU)


def test_read_audio_mixes_resamples_and_refuses(tmp_path):
    time_axis = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 440 * time_axis)
    soundfile.write(tmp_path / "tone.wav", np.stack([tone, -0.5 * tone], 1), 16_000, subtype="FLOAT")
    wave = read_audio(tmp_path / "tone.wav", 48_000)
    expected = 0.25 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    assert wave.shape == (48_000,)
    assert np.abs(wave - expected)[2000:-2000].max() < 1e-3
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1)), 8000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), 8000, subtype="FLOAT")
    for name in ("text.wav", "empty.wav", "none.wav", "nan.wav", "gone.wav"):
        with pytest.raises(MediaError, match=name):
            read_audio(tmp_path / name, 8000)
