"""Text and speech a second time, by other code on the same weights: the frozen networks give what these give.

Text: the published tokeniser in Python, and BERT (Devlin et al. 2019) written out in NumPy, in double precision.
Speech: librosa's mel spectrogram in place of the first graph, and ONNX's reference evaluator (NumPy) for the second.
"""

import json
import zipfile
from functools import partial

import librosa
import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnx.reference import ReferenceEvaluator
from onnx.version_converter import convert_version
from real_stamps import STAMPS, WEIGHTS, needs_stamps
from scipy.special import erf, softmax
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from ucl.media.decode import read_audio
from ucl.stamps.collection import read_stamps
from ucl.stamps.frozen import SpeechNetwork, TextNetwork

pytestmark = needs_stamps
HARD = [
    "A café's jalapeño-and-açaí crème brûlée!",
    "İstanbul’da ПРИВЕТ 東京 タワー… (№ 7) 🐸 zzzxqj\u00adw\u200bv\ttab",
    "pneumonoultramicroscopicsilicovolcanoconiosis " * 30,  # longer than the model reads
    "",
]
SPOKEN = ["animals/amphibians/frog", "animals/mammals/cats/lion", "food/fruit/banana"]


@pytest.fixture(scope="module")
def texts():
    return TextNetwork(WEIGHTS)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    with zipfile.ZipFile(WEIGHTS / "minilm.zip") as archive:
        vocabulary = json.loads(archive.read("tokenizer.json"))["model"]["vocab"]
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(sorted(vocabulary, key=vocabulary.get)), encoding="utf-8")
    return partial(BertTokenizerLegacy(str(path)).encode, truncation=True, max_length=128)


def test_every_caption_has_the_tokens_of_the_tokeniser_in_python(texts, tokenizer):
    captions = sorted({stamp.captions["en"] for stamp in read_stamps(STAMPS)} | {*HARD})
    assert len(captions) > 800
    for text, own in zip(captions, texts.tokenizer.encode_batch(captions), strict=True):
        assert [i for i, real in zip(own.ids, own.attention_mask, strict=True) if real] == tokenizer(text), text


def test_sentences_have_the_embeddings_of_bert_written_out(texts, tokenizer):
    captions = [stamp.captions["en"] for stamp in read_stamps(STAMPS)][::80]
    assert len(captions) == 12
    with zipfile.ZipFile(WEIGHTS / "minilm.zip") as archive:
        weights = {k: np.float64(v) for k, v in safetensors.numpy.load(archive.read("model.safetensors")).items()}
        shape = json.loads(archive.read("config.json"))
    rows = texts.encode(captions).numpy()
    for text, row in zip(captions, rows, strict=True):
        mean = bert(tokenizer(text), weights, shape["num_hidden_layers"], shape["num_attention_heads"]).mean(0)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=2e-6)


def bert(ids: list[int], weights: dict[str, np.ndarray], layers: int, heads: int) -> np.ndarray:
    """The last hidden states of one sentence without padding, [tokens, width]."""

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def normalise(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    word, place, kind = (weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type"))
    x = normalise(word[ids] + place[: len(ids)] + kind[0], "embeddings.LayerNorm")
    for layer in (f"encoder.layer.{i}" for i in range(layers)):
        q, k, v = (
            np.stack(np.split(linear(x, f"{layer}.attention.self.{part}"), heads, axis=1))
            for part in ("query", "key", "value")
        )
        attended = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]), axis=-1) @ v
        attended = linear(np.concatenate(attended, axis=1), f"{layer}.attention.output.dense")
        x = normalise(x + attended, f"{layer}.attention.output.LayerNorm")
        inner = linear(x, f"{layer}.intermediate.dense")
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        x = normalise(x + linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return x


@pytest.mark.parametrize("name", SPOKEN)
def test_spoken_captions_have_the_frames_of_the_reference_evaluator(name):
    path = STAMPS / f"{name}_desc_fr.ogg"
    speech = SpeechNetwork(WEIGHTS)
    # Of operators before 14, ONNX's evaluator takes a batch's own statistics into BatchNormalization at inference.
    graph = ReferenceEvaluator(convert_version(onnx.load(WEIGHTS / "speech_embedding.onnx"), 15))
    silence = np.zeros(8_000, np.float32)
    samples = np.concatenate([silence, read_audio(path, 16_000), silence]) * 32_768
    shape = {"n_fft": 512, "hop_length": 160, "win_length": 400, "n_mels": 32, "fmin": 60, "fmax": 3_800}
    power = librosa.feature.melspectrogram(y=samples, sr=16_000, center=False, **shape)
    mel = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=80.0).T.astype(np.float32) / 10 + 2
    windows = np.lib.stride_tricks.sliding_window_view(mel, 76, axis=0)[::8].transpose(0, 2, 1)
    expected = graph.run(None, {"input_1": windows[..., None]})[0].reshape(len(windows), 96)
    (frames,) = speech.forward([speech.prepare(path)])
    assert np.abs(expected).max() > 30
    np.testing.assert_allclose(frames.numpy(), expected, atol=5e-4)
