"""What the tests of faults share: one bridge's scores, and an error that is one line."""

import pytest
import torch

from ucl import Bank, Bridge, BridgeResult, Cosine, InputError

AB, BC = Cosine(100.0), Cosine(18.6)


def score(bank: Bank, a: torch.Tensor, c: torch.Tensor, ab=AB, bc=BC) -> BridgeResult:
    return Bridge(ab, bc, bank, normalize=False).score(a, c, progress=False)


def refused(call, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)
