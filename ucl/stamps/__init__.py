"""Tux Paint's stamps: pictures with captions in many languages, spoken captions and sounds; models trained on them."""

from ucl.extras import needs

needs("stamps", "transformers", "tokenizers", "timm", "onnxruntime", "ai_edge_litert", "resvg_py", "anyascii")
