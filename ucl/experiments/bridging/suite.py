"""What a suite of `bridging` is: its items and the stores of one set of models, and the tasks that are asked of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from ucl.core.critics import Cosine
from ucl.errors import InputError
from ucl.files import read_parquet
from ucl.media.base import Modality, pair_scale
from ucl.media.store import Store, read_store

__all__ = ["TASKS", "Suite", "Task", "read_suite"]


@dataclass(frozen=True)
class Task:
    """Find `candidate` by `query`, through `middle`."""

    query: Modality
    middle: Modality
    candidate: Modality

    @property
    def name(self) -> str:
        return f"{self.query}_to_{self.candidate}"

    @property
    def first(self) -> str:
        """The model of (query, middle)."""
        return _pair_model(self.query, self.middle)

    @property
    def second(self) -> str:
        """The model of (middle, candidate)."""
        return _pair_model(self.middle, self.candidate)

    @property
    def joint(self) -> str:
        """The model of both, with one tower in the middle."""
        return f"joint_{self.middle}"

    @property
    def truth(self) -> str:
        """The model that was trained on (query, candidate)."""
        return _pair_model(self.query, self.candidate)


TASKS = (
    Task("audio", "text", "image"),
    Task("image", "text", "audio"),
    Task("image", "audio", "text"),
    Task("text", "audio", "image"),
    Task("audio", "image", "text"),
    Task("text", "image", "audio"),
)


def _pair_model(one: Modality, other: Modality) -> str:
    order = ("audio", "image", "text")
    return "_".join(sorted((one, other), key=order.index))


@dataclass(frozen=True)
class Suite:
    """Items and the stores of one set of models (one seed)."""

    items: pd.DataFrame
    stores: Mapping[tuple[str, Modality], Store]

    def tested(self, modality: Modality) -> pd.DataFrame:
        """Queries or candidates: labelled items of the test split."""
        items = self.items
        return items[(items["modality"] == modality) & (items["split"] == "test") & items["label"].notna()]

    def bank_ids(self, modality: Modality) -> list[str]:
        """What stands in the bank of a modality."""
        return list(self.items.loc[(self.items["modality"] == modality) & self.items["bank"], "id"])

    def has(self, model: str, *modalities: Modality) -> bool:
        return all((model, modality) in self.stores for modality in modalities)

    def rows(self, model: str, modality: Modality, ids: Sequence[str]) -> Float[Tensor, "n d"]:
        return self.stores[model, modality].select(ids).embeddings

    def critic(self, model: str, one: Modality, other: Modality) -> Cosine:
        """The critic with its learned scale."""
        return Cosine(scale=pair_scale(self.stores[model, one].info, self.stores[model, other].info))


def read_suite(items: str | Path, folder: str | Path) -> Suite:
    """The items, and every store `<model>.<modality>.parquet` of a folder."""
    stores: dict[tuple[str, Modality], Store] = {}
    for path in sorted(Path(folder).glob("*.*.parquet")):
        role, modality = path.name.removesuffix(".parquet").split(".")
        stores[role, modality] = read_store(path)  # type: ignore[index]
    if not stores:
        raise InputError(f"{folder}: expected stores like image_text.image.parquet, found none; embed the items first")
    return Suite(read_parquet(items), stores)
