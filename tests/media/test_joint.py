"""The adapters of ImageBind and LanguageBind over small models with the libraries' published interfaces.

Neither library is on the package index, so what is checked here is our side: whose scale is where, what is normalised,
how files reach the library and how a broken one is told.
"""

import sys
import types

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch import nn

from ucl.errors import InputError
from ucl.media.base import MediaError, pair_scale
from ucl.media.encoders import load_encoders

CPU = torch.device("cpu")
WIDTH = 5


def picture(path):
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB").resize((4, 4)), np.float32)).permute(2, 0, 1)


def sound(path):
    return torch.from_numpy(soundfile.read(path, dtype="float32")[0])[:64]


def letters(text):
    return torch.tensor([float(text.count(letter)) for letter in "abcdefgh"])


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", rng.normal(0, 0.1, 400), 16_000)
    Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "broken.wav").write_text("no")
    return tmp_path


class Scaled(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.log_logit_scale = nn.Parameter(torch.tensor(float(np.log(scale))))

    def forward(self, x):
        return torch.clip(self.log_logit_scale.exp(), max=100) * x


class Unit(nn.Module):
    def forward(self, x):
        return nn.functional.normalize(x, dim=-1)


class SmallBind(nn.Module):
    """Heads and post-processors as ImageBind names them; audio is the mean over its clips after scaling."""

    def __init__(self):
        super().__init__()
        inputs = {"vision": 48, "text": 8, "audio": 32}
        self.modality_heads = nn.ModuleDict({k: nn.Sequential(nn.Linear(n, WIDTH)) for k, n in inputs.items()})
        self.modality_postprocessors = nn.ModuleDict(
            {
                "vision": Unit(),
                "text": nn.Sequential(Unit(), Scaled(14.5)),
                "audio": nn.Sequential(Unit(), Scaled(20.0)),
            }
        )

    def forward(self, inputs):
        outputs = {}
        for key, value in inputs.items():
            clips = value.shape[1] if key == "audio" else 1
            rows = self.modality_postprocessors[key](self.modality_heads[key](value.reshape(len(value) * clips, -1)))
            outputs[key] = rows.reshape(len(value), clips, -1).mean(1)
        return outputs


@pytest.fixture
def imagebind(monkeypatch, tmp_path):
    torch.manual_seed(0)
    model = SmallBind()
    torch.save(model.state_dict(), tmp_path / "bind.pth")
    library = types.ModuleType("imagebind.models.imagebind_model")
    library.imagebind_huge = lambda pretrained: SmallBind()
    data = types.ModuleType("imagebind.data")
    data.load_and_transform_vision_data = lambda paths, device: torch.stack([picture(p) for p in paths])
    data.load_and_transform_text = lambda texts, device: torch.stack([letters(t) for t in texts])
    data.load_and_transform_audio_data = lambda paths, device: torch.stack([sound(p).reshape(2, 32) for p in paths])
    for name in ("imagebind", "imagebind.models"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "imagebind.models.imagebind_model", library)
    monkeypatch.setitem(sys.modules, "imagebind.data", data)
    return model, str(tmp_path / "bind.pth")


@torch.no_grad()
def test_imagebind_scales_stand_beside_unit_rows(imagebind, files):
    model, weights = imagebind
    found = load_encoders("imagebind", "imagebind_huge", weights, CPU)
    image, text, audio = (found[name] for name in ("image", "text", "audio"))
    assert image.info.logit_scale is None
    assert pair_scale(image.info, text.info) == pytest.approx(14.5)
    assert pair_scale(audio.info, image.info) == pytest.approx(20.0)
    with pytest.raises(InputError, match="not trained on that pair"):
        pair_scale(audio.info, text.info)
    assert (image.info.normalized, text.info.normalized, audio.info.normalized) == (True, True, False)
    words = text.encode(["a bad cab", "egg"])
    assert torch.allclose(words.norm(dim=1), torch.ones(2), atol=1e-6)
    assert torch.allclose(14.5 * words, model({"text": torch.stack([letters("a bad cab"), letters("egg")])})["text"])
    heard = audio.encode([files / "a.wav"])
    assert torch.allclose(20 * heard, model({"audio": sound(files / "a.wav").reshape(1, 2, 32)})["audio"], atol=1e-5)
    assert heard.norm() < 1
    assert torch.allclose(image.encode([files / "a.png"]), model({"vision": picture(files / "a.png")[None]})["vision"])
    with pytest.raises(MediaError, match=r"broken\.wav"):
        audio.prepare(files / "broken.wav")


def test_a_library_that_opens_images_itself_gets_them_upright_and_in_8_bits(imagebind, files):
    image = load_encoders("imagebind", "imagebind_huge", imagebind[1], CPU)["image"]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(files / "a.png").save(files / "turned.png", exif=exif)
    Image.open(files / "a.png").transpose(Image.Transpose.ROTATE_270).save(files / "upright.png")
    ramp = np.arange(81, dtype=np.uint16).reshape(9, 9) * 771
    Image.fromarray(ramp).save(files / "deep.png")
    Image.fromarray(np.rint(ramp / 257).astype(np.uint8)).save(files / "shallow.png")
    turned, upright, deep, shallow = image.encode(
        [files / f"{name}.png" for name in ("turned", "upright", "deep", "shallow")]
    )
    assert torch.equal(turned, upright)
    assert torch.equal(deep, shallow)


def test_imagebind_weights_that_are_not_there(imagebind, tmp_path):
    with pytest.raises(InputError, match=r"none\.pth: no such file; download it from https"):
        load_encoders("imagebind", "imagebind_huge", str(tmp_path / "none.pth"), CPU)


class Branch(nn.Module):
    """One branch of LanguageBind: an outer tower named vision, a text tower, projections and its own scale."""

    def __init__(self, inputs, scale):
        super().__init__()
        self.vision = nn.Linear(inputs, 6)
        self.words = nn.Linear(8, 6)
        self.visual_projection = nn.Linear(6, WIDTH, bias=False)
        self.text_projection = nn.Linear(6, WIDTH, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(float(np.log(scale))))
        self.config = types.SimpleNamespace()

    def vision_model(self, pixel_values):
        return None, self.vision(pixel_values.flatten(1))

    def text_model(self, input_ids):
        return None, self.words(input_ids)


@torch.no_grad()
def test_languagebind_scales_belong_to_the_outer_modalities(monkeypatch, files):
    torch.manual_seed(1)
    branches = {"image": Branch(48, 100.0), "audio": Branch(64, 18.0)}
    asked = []

    def loader(name):
        return types.SimpleNamespace(from_pretrained=lambda source: asked.append(source) or branches[name])

    library = types.ModuleType("languagebind")
    library.model_dict = {name: loader(name) for name in branches}
    readers = {"image": picture, "audio": sound}
    library.transform_dict = {
        name: lambda config, read=read: lambda paths: {"pixel_values": torch.stack([read(p) for p in paths])}
        for name, read in readers.items()
    }
    tokenizer = lambda texts, **options: {"input_ids": torch.stack([letters(t) for t in texts])}  # noqa: E731
    library.LanguageBindImageTokenizer = types.SimpleNamespace(from_pretrained=lambda source: tokenizer)
    monkeypatch.setitem(sys.modules, "languagebind", library)
    for name in ("LanguageBind_Audio_FT", "LanguageBind_Image"):
        (files / name).mkdir()
    found = load_encoders("languagebind", "LanguageBind_Audio_FT", str(files), CPU)
    assert sorted(asked) == [str(files / "LanguageBind_Audio_FT"), str(files / "LanguageBind_Image")]
    image, text, audio = (found[name] for name in ("image", "text", "audio"))
    assert text.info.logit_scale is None
    assert pair_scale(image.info, text.info) == pytest.approx(100.0, rel=1e-5)
    assert pair_scale(audio.info, text.info) == pytest.approx(18.0, rel=1e-5)
    with pytest.raises(InputError, match="not trained on that pair"):
        pair_scale(audio.info, image.info)
    for encoder, items in ((image, [files / "a.png"]), (audio, [files / "a.wav"]), (text, ["a bad cab"])):
        assert encoder.encode(items).norm() == pytest.approx(1.0, abs=1e-6)
    hidden = branches["audio"].vision(sound(files / "a.wav")[None])
    expected = nn.functional.normalize(branches["audio"].visual_projection(hidden), dim=-1)
    assert torch.allclose(audio.encode([files / "a.wav"]), expected)
    with pytest.raises(InputError, match="no such folder"):
        load_encoders("languagebind", "other", str(files), CPU)
