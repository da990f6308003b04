"""Pretrained networks that stay as they are: pictures, texts, speech and sounds to features.

Their weights are pinned files (`data/weights/*.dvc`), read as data: tensors without code, ONNX and TFLite graphs.
"""

import json
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import timm
import torch
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from jaxtyping import Float
from PIL import Image
from safetensors.torch import load
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertConfig, BertModel

from ucl.media.base import MediaError
from ucl.media.decode import read_audio, read_image

__all__ = ["Head", "ImageNetwork", "SoundNetwork", "SpeechNetwork", "TextNetwork"]

RATE = 16_000  # Hz, of speech and of sounds
SILENT = 1e-3  # a recording whose loudest sample is below this says nothing


@dataclass(frozen=True)
class Head:
    """A network's last layer, one row per class, and what the classes are called."""

    weight: Float[Tensor, "classes width"]
    bias: Float[Tensor, " classes"]
    names: list[str]

    def best(self, features: Float[Tensor, " width"]) -> str:
        """The class of the highest score."""
        return self.names[int((self.weight @ features + self.bias).argmax())]


class ImageNetwork:
    """EfficientNet-lite0, trained on ImageNet: the 1,280 pooled features below its head."""

    SIZE, MARGIN, LARGEST = 224, 1.15, 4096

    def __init__(self, folder: Path) -> None:
        published = torch.load(folder / "efficientnet_lite0.pth", map_location="cpu", weights_only=True)
        network: Any = timm.create_model("tf_efficientnet_lite0")  # with TensorFlow's padding and eps of 1e-3
        own = network.state_dict()
        counters = [name for name in own if name.endswith("num_batches_tracked")]
        places = [name for name in own if name not in counters]
        values = [value for name, value in published.items() if not name.endswith("num_batches_tracked")]
        # The two name their layers differently and list them in one order.
        network.load_state_dict(dict(zip(places, values, strict=True)) | {name: own[name] for name in counters})
        self.network = network.eval()
        names = json.loads((folder / "imagenet_names.json").read_text(encoding="utf-8"))
        self.head = Head(network.classifier.weight.detach(), network.classifier.bias.detach(), names)

    def prepare(self, item: Any) -> Float[Tensor, "3 h w"]:
        """A picture in the middle of a white square 1.15 times as large, as the network wants its numbers."""
        picture = read_image(item)
        picture.thumbnail((self.LARGEST, self.LARGEST))  # the square of a long strip would not fit in memory
        side = math.ceil(self.MARGIN * max(picture.size))
        paper = Image.new("RGB", (side, side), "white")
        paper.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        pixels = np.asarray(paper.resize((self.SIZE, self.SIZE), Image.Resampling.BICUBIC), np.float32)
        return torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1)

    @torch.no_grad()
    def forward(self, prepared: Sequence[Tensor]) -> Float[Tensor, "n width"]:
        return self.network.forward_head(self.network.forward_features(torch.stack(list(prepared))), pre_logits=True)


class TextNetwork:
    """all-MiniLM-L6-v2: sentences to unit vectors of 384 numbers, the mean over a sentence's tokens."""

    BATCH = 64

    def __init__(self, folder: Path) -> None:
        with zipfile.ZipFile(folder / "minilm.zip") as archive:
            configuration = BertConfig(**json.loads(archive.read("config.json")))
            state = load(archive.read("model.safetensors"))
            self.tokenizer = Tokenizer.from_str(archive.read("tokenizer.json").decode())
        self.tokenizer.enable_padding()
        self.network = BertModel(configuration, add_pooling_layer=False)
        kept = {name: value for name, value in state.items() if not name.startswith("pooler.")}
        kept.pop("embeddings.position_ids", None)  # a count that older libraries saved
        self.network.load_state_dict(kept)
        self.network.eval()

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Float[Tensor, "n width"]:
        rows = []
        for start in range(0, len(texts), self.BATCH):
            encoded = self.tokenizer.encode_batch(list(texts[start : start + self.BATCH]))
            tokens, mask = (torch.tensor([getattr(one, part) for one in encoded]) for part in ("ids", "attention_mask"))
            hidden = self.network(input_ids=tokens, attention_mask=mask).last_hidden_state
            rows.append((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        return torch.nn.functional.normalize(torch.cat(rows), dim=-1)


class SpeechNetwork:
    """Google's speech embedding (Lin et al. 2020), as openWakeWord gives it: 96 numbers each 80 ms."""

    WIDTH, WINDOW, HOP = 96, 76, 8  # window and hop in frames of the mel spectrogram, 10 ms each
    AROUND = RATE // 2  # samples of silence before and after: the first window ends where speech begins

    def __init__(self, folder: Path) -> None:
        self.mel = _session(folder / "melspectrogram.onnx")
        self.embedding = _session(folder / "speech_embedding.onnx")

    def prepare(self, item: Any) -> np.ndarray:
        """A recording with silence around it; MediaError where it cannot be read or is silent."""
        return np.pad(_read_sound(item), self.AROUND) * np.float32(2**15)  # the scale of 16-bit samples

    def forward(self, prepared: Sequence[np.ndarray]) -> list[Float[Tensor, "frames width"]]:
        """Every recording's frames."""
        return [self._frames(samples) for samples in prepared]

    def _frames(self, samples: np.ndarray) -> Float[Tensor, "frames width"]:
        mel = self.mel.run(None, {"input": samples[None]})[0][:, 0].reshape(-1, 32) / 10 + 2
        starts = range(0, len(mel) - self.WINDOW + 1, self.HOP)
        windows = np.stack([mel[start : start + self.WINDOW] for start in starts])[..., None].astype(np.float32)
        return torch.from_numpy(self.embedding.run(None, {"input_1": windows})[0].reshape(-1, self.WIDTH))


class SoundNetwork:
    """YAMNet, trained on AudioSet: the 1,024 features below its head, the mean over windows of a second."""

    SAMPLES = 15_600

    def __init__(self, folder: Path) -> None:
        path = folder / "yamnet.tflite"
        self.interpreter = Interpreter(
            str(path),
            num_threads=1,
            experimental_preserve_all_tensors=True,  # the features are not among the graph's outputs
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self.interpreter.allocate_tensors()
        self.tensors = {each["name"]: each for each in self.interpreter.get_tensor_details()}
        with zipfile.ZipFile(path) as attached:  # TFLite's metadata: a zip at the end of the file
            names = attached.read("yamnet_label_list.txt").decode().split("\n")
        weight, bias = self._value("tower0/network/layer29/fc/MatMul"), self._value("network/layer29/fc/biases")
        self.head = Head(weight, bias, [name.strip() for name in names if name.strip()])

    def prepare(self, item: Any) -> np.ndarray:
        """A recording; MediaError where it cannot be read or is silent."""
        return _read_sound(item)

    def forward(self, prepared: Sequence[np.ndarray]) -> Float[Tensor, "n width"]:
        """Every recording's features."""
        return torch.stack([self._features(samples) for samples in prepared])

    def _features(self, samples: np.ndarray) -> Float[Tensor, " width"]:
        windows = max(1, round(len(samples) / self.SAMPLES))
        padded = np.pad(samples, (0, max(0, windows * self.SAMPLES - len(samples))))
        rows = [self._window(padded[i * self.SAMPLES : (i + 1) * self.SAMPLES]) for i in range(windows)]
        return torch.stack(rows).mean(0)

    def _window(self, samples: np.ndarray) -> Tensor:
        self.interpreter.set_tensor(self.interpreter.get_input_details()[0]["index"], samples)
        self.interpreter.invoke()
        return self._value("tower0/network/layer28/reduce_mean").flatten()

    def _value(self, name: str) -> Tensor:
        """A tensor of the graph in float32; whole numbers have a scale and a zero, for all of them or for each row."""
        details = self.tensors[name]
        value = self.interpreter.get_tensor(details["index"])
        if value.dtype != np.float32:
            scale, zero = (
                details["quantization_parameters"]["scales"],
                details["quantization_parameters"]["zero_points"],
            )
            by_row = (-1, *[1] * (value.ndim - 1))
            value = (value.astype(np.float32) - zero.reshape(by_row)) * scale.reshape(by_row)
        return torch.from_numpy(value.astype(np.float32))


def _session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _read_sound(item: Any) -> np.ndarray:
    samples = read_audio(item, RATE)
    if float(np.abs(samples).max(initial=0.0)) < SILENT:
        raise MediaError(item, "silent")
    return samples
