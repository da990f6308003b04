"""Wrong parameters are told in one line with the key, the value and what is allowed."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.utils import update_config

from ucl.errors import InputError
from ucl.experiments.params import load_params, validate
from ucl.experiments.settings import GaussianTraining

ROOT = Path(__file__).parents[2]
PAPER = yaml.safe_load((ROOT / "params.yaml").read_text())


def changed(key: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(PAPER)
    *path, last = key.split(".")
    section = config
    for part in path:
        section = section[part]
    section[last] = value
    return config


def test_the_committed_parameters_are_valid_at_every_scale() -> None:
    load_params(ROOT / "params.yaml")
    for overlay in ("profiles/demo/params.yaml", "tests/smoke/params.yaml", "tests/stamps/params.yaml"):
        config = copy.deepcopy(PAPER)
        update_config(config, yaml.safe_load((ROOT / overlay).read_text()))  # as `--configfile` lays it over
        validate(config)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("synthetic.seds", 20, "synthetic.seds = 20: unknown key; did you mean seeds? allowed: seeds, dims"),
        ("synthetic.seeds", -3, "synthetic.seeds = -3: input should be greater than or equal to 1"),
        ("synthetic.seeds", 2.5, "synthetic.seeds = 2.5: input should be a valid integer"),
        ("synthetic.seeds", "many", "synthetic.seeds = 'many': input should be a valid integer"),
        ("synthetic.critics", ["cosin"], "synthetic.critics.0 = 'cosin': input should be 'cosine', 'dot' or 'l2'"),
        ("synthetic.learning_rate", 0.0, "synthetic.learning_rate = 0.0: input should be greater than 0"),
        ("synthetic.log_scale", float("nan"), "synthetic.log_scale = nan: input should be a finite number"),
        ("synthetic.validation", 9, "synthetic: validation must lie between candidates (32) and pairs (5000)"),
        ("synthetic.dims.a", 0, "synthetic.dims.a = 0: input should be greater than or equal to 1"),
        ("explore.planning.mazes", [], "explore.planning.mazes = []: list should have at least 1 item"),
        ("explore.mazes", ["fork", "large"], "explore: planning.mazes must be among mazes: got nested_pyramid"),
        ("explore.critic", "mrn", "explore: critic must be squared_l2, whose way-points have a closed form: got mrn"),
        ("sinthetic", {}, "sinthetic = {}: unknown key; did you mean synthetic? allowed: synthetic,"),
    ],
)
def test_wrong_values(key: str, value: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(changed(key, value))
    assert f"params.yaml: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named() -> None:
    config = copy.deepcopy(PAPER)
    del config["synthetic"]["epochs"]
    with pytest.raises(InputError, match=r"synthetic\.epochs: missing"):
        validate(config)


def test_a_setting_survives_its_file_name() -> None:
    section = validate(PAPER).synthetic
    other = section.at("d16_s0.001_p1.0")
    assert (other.dimension, other.log_scale, other.norm_penalty) == (16, 0.001, 1.0)
    assert other.setting == "d16_s0.001_p1.0"
    assert set(section.part(GaussianTraining)) == set(GaussianTraining.model_fields)


def test_every_key_is_described() -> None:
    def undescribed(model: Any, path: str) -> list[str]:
        names = []
        for name, field in model.model_fields.items():
            nested = getattr(field.annotation, "model_fields", None)
            if nested is not None:
                names += undescribed(field.annotation, f"{path}.{name}")
            elif not field.description:
                names.append(f"{path}.{name}")
        return names

    assert undescribed(type(validate(PAPER)), "") == []
