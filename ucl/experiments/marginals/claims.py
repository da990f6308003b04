"""What the paper claims of Assumption 3, and what holds (6.2.2, C.3, Fig. 7)."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import rejects, verdict
from ucl.reporting.claims import Claim

__all__ = ["claims"]

TESTS = {"cosine": ("uniform", ("rayleigh", "bingham")), "l2": ("Gaussian", ("mardia_kurtosis", "henze_zirkler"))}


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """Tests that have power reject what a mean of p-values cannot."""
    seeds, shares = params["seeds"], []
    for critic in (name for name in TESTS if name in metrics["representations"]):
        of_b = metrics["representations"][critic]["b"]
        found = {name: of_b[name]["rejected"] for name in TESTS[critic][1] if name in of_b}
        shares.append((critic, TESTS[critic][0], max(found.values())))
    if not shares:
        return []
    holds = not any(rejects(share, seeds) for _, _, share in shares)
    blind = max(entry["rejected"] for entry in metrics["size"]["published_ks"].values())
    return [
        Claim(
            "6.2.2, Fig. 7",
            "Representations are uniform on the sphere, or Gaussian (Assumption 3).",
            verdict(holds),
            "; ".join(f"{critic}: {law} rejected for {share * seeds:.0f} of {seeds}" for critic, law, share in shares),
            "marginals_power",
            note=f"The test was a mean of p-values, which rejects {100 * blind:.1f} % of samples where 5 % are due.",
        )
    ]
