"""Matrix products in full precision, whatever else the process allows."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["full_precision"]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Matrix products in the precision of their inputs, whatever the process allows elsewhere (TF32, autocast)."""
    with torch.no_grad(), torch.autocast(device.type, enabled=False), _highest:
        yield


class _Highest:
    """The process-wide precision of float32 products: "highest" while any thread asks for it, then what it was."""

    def __init__(self) -> None:
        self.lock, self.inside, self.before = threading.Lock(), 0, "highest"

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.before = torch.get_float32_matmul_precision()
            if self.before != "highest":
                torch.set_float32_matmul_precision("highest")
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0 and self.before != "highest":
                torch.set_float32_matmul_precision(self.before)


_highest = _Highest()
