"""Small models in the formats in which large ones are published, and the hub's cache that holds them."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def cache(root: Path, repo: str, files: dict[str, bytes]) -> None:
    """Lay files out as the hub's cache does."""
    folder = root / ("models--" + repo.replace("/", "--"))
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    for name, content in files.items():
        path = folder / "snapshots" / "abc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def saved(state: Any, folder: Path) -> bytes:
    """What `torch.save` writes."""
    torch.save(state, folder / "saved.pt")
    return (folder / "saved.pt").read_bytes()


def tiny_clip() -> Any:
    """A tiny CLIP of open_clip's own class, and its scale."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import open_clip
    torch.manual_seed(0)
    model = open_clip.CLIP(**TINY).eval()
    with torch.no_grad():
        model.logit_scale.fill_(float(np.log(43.5)))
    return model


def small_roberta(folder: Path) -> dict[str, bytes]:
    """What laion-clap asks of the hub, small: a one-layer RoBERTa of width 768 with a byte-pair vocabulary of bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import RobertaConfig, RobertaModel
    shape = {"hidden_size": 768, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 32}
    settings = RobertaConfig(vocab_size=300, max_position_embeddings=130, **shape)
    torch.manual_seed(1)
    RobertaModel(settings).save_pretrained(folder)
    letters = [*"abcdefghijklmnopqrstuvwxyz", "Ġ"]
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    names = ("config.json", "model.safetensors", "vocab.json", "merges.txt")
    return {name: (folder / name).read_bytes() for name in names}


def small_clap() -> Any:
    """laion-clap's own module with its smallest audio tower, over `small_roberta` in the hub's cache, and its scale."""
    from ucl.media import hub

    with hub.hub_offline(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import laion_clap

        torch.manual_seed(2)
        module = laion_clap.CLAP_Module(enable_fusion=False, device="cpu", amodel="HTSAT-tiny").eval()
    with torch.no_grad():
        module.model.logit_scale_a.fill_(float(np.log(18.6)))
    return module


def published(clap: Any) -> dict[str, Any]:
    """As published: a training checkpoint, wrapped by DataParallel, with a buffer that newer transformers dropped."""
    state = {f"module.{name}": value for name, value in clap.model.state_dict().items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(130)[None]
    return {"epoch": 45, "name": "clap", "state_dict": state, "best": np.float64(0.3), "optimizer": {"state": {}}}
