"""Small contrastive models, pairwise and joint, trained on pairs: the workflow's own CLIP, CLAP and binding models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from tqdm import tqdm

from ucl.digits.items import CONTEXT_LENGTH, PairSampler, World
from ucl.media.base import Encoder, EncoderInfo, Modality, weights_digest
from ucl.runtime import generator

__all__ = [
    "MODELS",
    "AudioTower",
    "ContrastiveModel",
    "Pair",
    "Recipe",
    "TextTower",
    "TrainedEncoder",
    "augment_audio",
    "augment_image",
    "encoders",
    "train",
]

Pair = tuple[Modality, Modality]

# Every model and the pairs it is trained on, the modality in the middle second. The first three see one kind of pair;
# the others join two kinds through a shared tower: text in the middle as in LanguageBind, image in the middle as in
# ImageBind, and audio. No pair of the two outer modalities is seen by a joint model, nor by the two models of a bridge.
MODELS: dict[str, tuple[Pair, ...]] = {
    "image_text": (("image", "text"),),
    "audio_text": (("audio", "text"),),
    "audio_image": (("audio", "image"),),
    "joint_text": (("image", "text"), ("audio", "text")),
    "joint_image": (("text", "image"), ("audio", "image")),
    "joint_audio": (("text", "audio"), ("image", "audio")),
}
# Critics here need a few nats only, since ten digits are all there is to tell apart: the scale starts below CLIP's 14.
INITIAL_SCALE = 5.0
LARGEST_SCALE = 100.0


@dataclass(frozen=True)
class Recipe:
    """How models are built and trained. `learning_rate` is the transformers', `fast_learning_rate` the other towers'.

    A step takes a batch of `batch` pairs of each kind that the model is trained on.
    """

    width: int
    layers: int
    steps: int
    batch: int
    learning_rate: float
    fast_learning_rate: float
    weight_decay: float


class AudioTower(nn.Module):
    """Log-mel spectrogram to embedding: strided convolutions, then mean and maximum over time."""

    def __init__(self, embed_dim: int, bands: int, channels: Sequence[int] = (8, 16, 32, 64)) -> None:
        super().__init__()
        sizes = zip((1, *channels[:-1]), channels, strict=True)
        layers = nn.Sequential(*[_convolution(inputs, outputs) for inputs, outputs in sizes])
        self.layers = layers.to(memory_format=torch.channels_last)  # a sixth faster on a CPU
        bands_left = -(-bands // 2 ** len(channels))
        self.projection = nn.Linear(2 * channels[-1] * bands_left, embed_dim, bias=False)

    def forward(self, spectrogram: Float[Tensor, "n bands frames"]) -> Float[Tensor, "n d"]:
        maps = self.layers(spectrogram[:, None]).flatten(1, 2)
        return self.projection(torch.cat([maps.mean(-1), maps.amax(-1)], dim=1))


def _convolution(inputs: int, outputs: int) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


class TextTower(nn.Module):
    """Tokens to embedding: the sum of the words, then a perceptron. Not open_clip's, so that no tower is shared."""

    def __init__(self, embed_dim: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        hidden = 2 * width
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, embed_dim, bias=False)
        )

    def forward(self, tokens: Int[Tensor, "n length"]) -> Float[Tensor, "n d"]:
        return self.layers(self.words(tokens).sum(1))


class ContrastiveModel(nn.Module):
    """One tower per modality into one space, and one learned logit scale per kind of pair.

    `image_text` is open_clip's own model; the others take its image tower, an `AudioTower` and a `TextTower`.
    """

    def __init__(self, name: str, embed_dim: int, recipe: Recipe, vocabulary: int, bands: int) -> None:
        super().__init__()
        self.name, self.pairs, self.embed_dim = name, MODELS[name], embed_dim
        clip = _clip(embed_dim, recipe, vocabulary)
        text = clip.text if name == "image_text" else TextTower(embed_dim, 2 * recipe.width, vocabulary)
        available = {"image": clip.visual, "text": text, "audio": AudioTower(embed_dim, bands)}
        self.towers = nn.ModuleDict({m: available[m] for pair in self.pairs for m in pair})
        self.logit_scales = nn.ParameterDict(
            {"_".join(pair): nn.Parameter(clip.logit_scale.detach().clone()) for pair in self.pairs}
        )

    def encode(self, modality: Modality, content: Tensor) -> Float[Tensor, "n d"]:
        """Unit vectors."""
        return nn.functional.normalize(self.towers[modality](content), dim=-1)

    def scale(self, pair: Pair) -> Float[Tensor, ""]:
        """The learned inverse temperature of a kind of pair; limited as CLIP limits it."""
        return self.logit_scales["_".join(pair)].exp().clamp_max(LARGEST_SCALE)


def _clip(embed_dim: int, recipe: Recipe, vocabulary: int) -> open_clip.CustomTextCLIP:
    shared = {"width": recipe.width, "layers": recipe.layers, "mlp_ratio": 2.0}
    vision = open_clip.CLIPVisionCfg(image_size=8, patch_size=4, head_width=16, **shared)
    text = open_clip.CLIPTextCfg(
        context_length=CONTEXT_LENGTH, vocab_size=vocabulary, heads=recipe.width // 16, **shared
    )
    scale = float(torch.tensor(INITIAL_SCALE).log())
    model = open_clip.CustomTextCLIP(embed_dim, vision, text, init_logit_scale=scale)
    # open_clip's initial 0.01 to 0.02 suit wide models and long training; at this width it takes thousands of steps
    # until words and places are told apart.
    for weight in (
        model.text.token_embedding.weight,
        model.text.positional_embedding,
        model.visual.positional_embedding,
    ):
        nn.init.normal_(weight, std=0.5)
    return model


def train(
    name: str,
    world: World,
    embed_dim: int,
    recipe: Recipe,
    seed: int,
    *,
    report: Callable[[float], None] = lambda loss: None,
    progress: bool = True,
) -> ContrastiveModel:
    """Train one model of `MODELS` on pairs from the training items; every kind of pair has its own batch in a step.

    `report(loss)` is called after every step with the InfoNCE loss in nats, the mean over kinds of pairs.
    """
    number = list(MODELS).index(name)
    torch.manual_seed(generator(seed, number, 0).initial_seed())  # open_clip initialises from the global generator
    vocabulary, bands = int(world["text"].content.max()) + 1, world["audio"].content.shape[1]
    model = ContrastiveModel(name, embed_dim, recipe, vocabulary, bands).train()
    draws = generator(seed, number, 1)
    sampler = PairSampler(world, draws)
    clip_loss = open_clip.ClipLoss()
    optimizer, schedule = _optimizer(model, recipe)
    for _ in tqdm(range(recipe.steps), desc=name, unit="step", disable=not progress):
        losses = []
        for pair in model.pairs:
            rows = sampler.sample(recipe.batch, pair)
            x, y = (model.encode(m, AUGMENT[m](world[m].content[rows[m]], draws)) for m in pair)
            losses.append(clip_loss(x, y, model.scale(pair)))
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        report(loss.item())
    return model.eval()


def _optimizer(
    model: ContrastiveModel, recipe: Recipe
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW with a warm-up and a cosine decay; transformers take a smaller step than convolutions and perceptrons."""
    fast = [p for tower in model.modules() if isinstance(tower, AudioTower | TextTower) for p in tower.parameters()]
    known = {id(p) for p in fast}
    slow = [p for p in model.parameters() if id(p) not in known]
    groups = [(slow, recipe.learning_rate), (fast, recipe.fast_learning_rate)]
    groups = [(parameters, rate) for parameters, rate in groups if parameters]
    optimizer = torch.optim.AdamW(
        [{"params": parameters, "lr": rate} for parameters, rate in groups],
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    rates = [rate for _, rate in groups]
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=recipe.steps, pct_start=0.2, cycle_momentum=False
    )


class TrainedEncoder(Encoder):
    """One tower of a trained model; an item is a row of `Items.content`."""

    def __init__(self, model: ContrastiveModel, modality: Modality, digest: str) -> None:
        self.model = model
        self.info = EncoderInfo(
            model=model.name,
            modality=modality,
            width=model.embed_dim,
            normalized=True,
            logit_scale=_own_scale(model, modality),
            weights_digest=digest,
        )

    def prepare(self, item: Any) -> Any:
        """Items are prepared already."""
        return item

    @torch.no_grad()
    def forward(self, prepared: Sequence[Any]) -> Float[Tensor, "n d"]:
        content = torch.stack(list(prepared))
        return torch.cat([self.model.encode(self.info.modality, part) for part in content.split(512)])


def _own_scale(model: ContrastiveModel, modality: Modality) -> float | None:
    """A modality in one kind of pair has that pair's scale; the one in the middle of two has none of its own."""
    scales = [model.scale(pair).item() for pair in model.pairs if modality in pair]
    return scales[0] if len(scales) == 1 else None


def encoders(model: ContrastiveModel) -> dict[Modality, TrainedEncoder]:
    """One encoder per modality of a trained model."""
    digest = weights_digest(model)
    modalities = dict.fromkeys(modality for pair in model.pairs for modality in pair)
    return {modality: TrainedEncoder(model, modality, digest) for modality in modalities}


def augment_image(images: Float[Tensor, "n 3 8 8"], draws: torch.Generator) -> Float[Tensor, "n 3 8 8"]:
    """Shift every image by up to one pixel in each direction."""
    return _windows(nn.functional.pad(images, (1, 1, 1, 1), value=-1.0), images.shape[-2:], draws)


def augment_audio(spectra: Float[Tensor, "n bands frames"], draws: torch.Generator) -> Float[Tensor, "n bands frames"]:
    """Shift in pitch (2 bands) and time (8 frames), tilt, add noise, hide a block of bands and one of frames."""
    n, bands, frames = spectra.shape
    padded = nn.functional.pad(spectra[:, None], (8, 8, 2, 2), value=-1.0)
    shifted = _windows(padded, (bands, frames), draws)[:, 0]
    tilt = 0.3 * torch.randn(n, 1, 1, generator=draws) * torch.linspace(-1, 1, bands)[:, None]
    noisy = shifted + tilt + 0.1 * torch.randn(n, bands, frames, generator=draws)
    hidden = _block(n, bands, 4, draws)[:, :, None] | _block(n, frames, 8, draws)[:, None, :]
    return noisy.clamp(-1, 1.5).masked_fill(hidden, -0.5)


def _windows(
    padded: Float[Tensor, "n c hp wp"], shape: Sequence[int], draws: torch.Generator
) -> Float[Tensor, "n c h w"]:
    """A window of `shape` at a random place of each padded item."""
    n = len(padded)
    places = [size - wanted + 1 for size, wanted in zip(padded.shape[2:], shape, strict=True)]
    top, left = (torch.randint(count, (n,), generator=draws) for count in places)
    windows = padded.unfold(2, shape[0], 1).unfold(3, shape[1], 1)  # [n, c, places down, places across, h, w]
    return windows[torch.arange(n), :, top, left]


def _block(n: int, length: int, longest: int, draws: torch.Generator) -> Bool[Tensor, "n length"]:
    """A run of up to `longest` places per row, maybe none."""
    start = torch.randint(length, (n, 1), generator=draws)
    size = torch.randint(longest + 1, (n, 1), generator=draws)
    position = torch.arange(length)
    return (position >= start) & (position < start + size)


AUGMENT: dict[Modality, Callable[[Tensor, torch.Generator], Tensor]] = {
    "image": augment_image,
    "audio": augment_audio,
    "text": lambda tokens, draws: tokens,
}
