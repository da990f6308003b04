"""The stamps as the views of them that models are trained on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from ucl.files import read_parquet
from ucl.stamps.features import Features, read_features
from ucl.stamps.models import MODELS
from ucl.stamps.towers import Classes, letters
from ucl.stamps.training import Side

__all__ = ["World", "load_world", "read_world"]


@dataclass(frozen=True)
class World:
    """Views of the stamps by kind (image, text, speech, letters, sound), and the classes of two networks."""

    items: pd.DataFrame
    sides: Mapping[str, Side]
    classes: Mapping[str, Classes]

    @property
    def groups(self) -> dict[str, str]:
        """Stamp -> group."""
        return dict(zip(self.items["name"], self.items["group"], strict=True))

    def seen(self, names: Iterable[str], *kinds: str) -> list[str]:
        """Those of some stamps that have all these views."""
        return [name for name in names if all(name in self.sides[kind].views for kind in kinds)]

    def by_group(self, names: Iterable[str], model: str) -> dict[str, list[str]]:
        """Stamps that a model can be trained on, by group."""
        groups = self.groups
        found: dict[str, list[str]] = {}
        for name in self.seen(names, *MODELS[model]):
            found.setdefault(groups[name], []).append(name)
        return found

    def bank(self, names: Iterable[str]) -> list[str]:
        """One stamp for each different caption (English and spoken) among some."""
        wanted = self.items[self.items["name"].isin(set(names))]
        return list(wanted.drop_duplicates(["caption", "spoken"])["name"])


def load_world(items: pd.DataFrame, features: Mapping[str, Features]) -> World:
    """From the table and the features by kind; text features go by caption."""
    captions = zip(items["name"], items["caption"], strict=True)
    spoken = zip(items["name"], items["spoken"], strict=True)
    classes = {kind: own for kind in ("image", "sound") if (own := features[kind].classes) is not None}
    described = {kind: _described(features[kind].rows, own) for kind, own in classes.items()}
    sides = {kind: Side(rows, False) for kind, rows in described.items()} | {
        "speech": Side(features["speech"].rows, True),
        "text": Side({name: features["text"].rows[text] for name, text in captions}, False),
        "letters": Side({name: letters(text) for name, text in spoken}, True),
    }
    return World(items, sides, classes)


def read_world(table: str | Path, features: Iterable[str | Path]) -> World:
    """From the files `items.parquet` and `<kind>.safetensors`."""
    return load_world(read_parquet(table), {Path(path).stem: read_features(path) for path in features})


def _described(rows: Mapping[str, Tensor], classes: Classes) -> dict[str, Tensor]:
    return dict(zip(rows, classes.describe(torch.stack(list(rows.values()))), strict=True))
