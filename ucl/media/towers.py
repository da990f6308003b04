"""Small contrastive models, pairwise and joint, trained on pairs: the workflow's own CLIP, CLAP and binding models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import open_clip
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from tqdm import tqdm

from ucl.media.digits import CONTEXT_LENGTH, Items, Modality, PairSampler
from ucl.runtime import generator

__all__ = ["MODELS", "AudioTower", "ContrastiveModel", "Pair", "Size", "augment_audio", "augment_image", "embed", "train"]

Pair = tuple[Modality, Modality]

# Every model and the pairs it is trained on. The first three see one kind of pair; the others join two kinds through a
# shared tower, in the roles of LanguageBind (text in the middle) and ImageBind (image in the middle), and with audio
# in the middle. Only `audio_image` ever sees what `joint_text` and the bridge through text are asked for.
MODELS: dict[str, tuple[Pair, ...]] = {
    "image_text": (("image", "text"),),
    "audio_text": (("audio", "text"),),
    "audio_image": (("audio", "image"),),
    "joint_text": (("image", "text"), ("audio", "text")),
    "joint_image": (("image", "text"), ("audio", "image")),
    "joint_audio": (("audio", "text"), ("audio", "image")),
}


@dataclass(frozen=True)
class Size:
    """Width of every tower's representation, and the transformers' width and depth."""

    embed_dim: int
    width: int
    layers: int
    vocabulary: int


class AudioTower(nn.Module):
    """Log-mel spectrogram to embedding: strided convolutions, then mean and maximum over time."""

    def __init__(self, embed_dim: int, bands: int, channels: Sequence[int] = (16, 32, 64)) -> None:
        super().__init__()
        sizes = zip((1, *channels[:-1]), channels, strict=True)
        self.layers = nn.Sequential(*[_convolution(inputs, outputs) for inputs, outputs in sizes])
        bands_left = -(-bands // 2 ** len(channels))
        self.projection = nn.Linear(2 * channels[-1] * bands_left, embed_dim, bias=False)

    def forward(self, spectrogram: Float[Tensor, "n bands frames"]) -> Float[Tensor, "n d"]:
        maps = self.layers(spectrogram[:, None]).flatten(1, 2)
        return self.projection(torch.cat([maps.mean(-1), maps.amax(-1)], dim=1))


class TextTower(nn.Module):
    """Tokens to embedding: the sum of what each word says at its place, then a perceptron."""

    def __init__(self, embed_dim: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.BatchNorm1d(2 * width), nn.ReLU(), nn.Linear(2 * width, embed_dim, bias=False)
        )

    def forward(self, tokens: Int[Tensor, "n length"]) -> Float[Tensor, "n d"]:
        return self.layers(self.words(tokens).sum(1))


def _convolution(inputs: int, outputs: int) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


class ContrastiveModel(nn.Module):
    """One tower per modality into one space, and one learned logit scale per kind of pair.

    The image and text towers are those of open_clip's own model class.
    """

    def __init__(self, pairs: Sequence[Pair], size: Size, bands: int) -> None:
        super().__init__()
        heads = size.width // 16
        clip = open_clip.CustomTextCLIP(
            size.embed_dim,
            open_clip.CLIPVisionCfg(
                image_size=32, width=8, head_width=16, layers=(1, 1, 1, 1)
            ),
            open_clip.CLIPTextCfg(
                context_length=CONTEXT_LENGTH,
                vocab_size=size.vocabulary,
                width=size.width,
                heads=heads,
                layers=max(size.layers, 1),
                mlp_ratio=2.0,
            ),
        )
        nn.init.normal_(clip.text.token_embedding.weight, std=0.5)
        available = {"image": nn.Sequential(nn.Upsample(size=32, mode="nearest"), clip.visual), "text": TextTower(size.embed_dim, 96, size.vocabulary) if size.layers==0 else clip.text, "audio": AudioTower(size.embed_dim, bands)}
        self.towers = nn.ModuleDict({m: available[m] for pair in pairs for m in pair})
        self.logit_scales = nn.ParameterDict({"_".join(pair): nn.Parameter(clip.logit_scale.clone()) for pair in pairs})

    def encode(self, modality: Modality, content: Tensor) -> Float[Tensor, "n d"]:
        """Unit vectors."""
        return nn.functional.normalize(self.towers[modality](content), dim=-1)

    def scale(self, pair: Pair) -> Tensor:
        """The learned inverse temperature of a kind of pair; never above 100, as in CLIP."""
        return self.logit_scales["_".join(pair)].exp().clamp_max(100.0)


def train(
    name: str,
    world: Mapping[Modality, Items],
    size: Size,
    steps: int,
    batch: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
    report: Callable[[int, float], None] = lambda step, loss: None,
    progress: bool = True,
) -> ContrastiveModel:
    """Train one model of `MODELS` on pairs from the training items; every kind of pair has its own batch in a step."""
    number = list(MODELS).index(name)
    pairs = MODELS[name]
    torch.manual_seed(int(generator(seed, number).initial_seed() % 2**31))
    model = ContrastiveModel(pairs, size, bands=world["audio"].content.shape[1]).train()
    draws = generator(seed, number, 1)
    sampler = PairSampler(world, draws)
    loss_of = open_clip.ClipLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.2)
    for step in tqdm(range(steps), desc=name, unit="step", disable=not progress):
        optimizer.zero_grad()
        losses = []
        for pair in pairs:
            rows = sampler.draw(batch, pair)
            x, y = (model.encode(m, AUGMENT[m](world[m].content[rows[m]], draws)) for m in pair)
            losses.append(loss_of(x, y, model.scale(pair)))
        loss = torch.stack(losses).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        report(step, loss.item())
    return model.eval()


@torch.no_grad()
def embed(model: ContrastiveModel, modality: Modality, content: Tensor, batch: int = 512) -> Float[Tensor, "n d"]:
    """Unit vectors of all items of a modality, batch by batch."""
    return torch.cat([model.encode(modality, part) for part in content.split(batch)])


def augment_image(images: Float[Tensor, "n 3 8 8"], draws: torch.Generator) -> Float[Tensor, "n 3 8 8"]:
    """Shift every image by up to one pixel in each direction."""
    padded = nn.functional.pad(images, (1, 1, 1, 1), value=-1.0)
    return _windows(padded, images.shape[-2:], draws)


def augment_audio(spectra: Float[Tensor, "n bands frames"], draws: torch.Generator) -> Float[Tensor, "n bands frames"]:
    """Shift in pitch (2 bands) and time (8 frames), tilt, add noise, hide a block of bands and one of frames."""
    n, bands, frames = spectra.shape
    padded = nn.functional.pad(spectra[:, None], (8, 8, 2, 2), value=-1.0)
    shifted = _windows(padded, (bands, frames), draws)[:, 0]
    tilt = 0.3 * torch.randn(n, 1, 1, generator=draws) * torch.linspace(-1, 1, bands)[:, None]
    noisy = shifted + tilt + 0.1 * torch.randn(n, bands, frames, generator=draws)
    hidden = _block(n, bands, 4, draws)[:, :, None] | _block(n, frames, 8, draws)[:, None, :]
    return noisy.clamp(-1, 1.5).masked_fill(hidden, -0.5)


def _windows(padded: Float[Tensor, "n c hp wp"], shape: Sequence[int], draws: torch.Generator) -> Float[Tensor, "n c h w"]:
    """A window of `shape` at a random place of each padded item."""
    n = len(padded)
    top, left = (torch.randint(p - s + 1, (n, 1), generator=draws) for p, s in zip(padded.shape[2:], shape, strict=True))
    rows, columns = top + torch.arange(shape[0]), left + torch.arange(shape[1])
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def _block(n: int, length: int, longest: int, draws: torch.Generator) -> Tensor:
    start = torch.randint(length, (n, 1), generator=draws)
    size = torch.randint(longest + 1, (n, 1), generator=draws)
    position = torch.arange(length)
    return (position >= start) & (position < start + size)


AUGMENT: dict[Modality, Callable[[Tensor, torch.Generator], Tensor]] = {
    "image": augment_image,
    "audio": augment_audio,
    "text": lambda tokens, draws: tokens,
}
