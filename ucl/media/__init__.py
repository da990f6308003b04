"""Real media: tables of clips and texts, pretrained encoders, and stores of their embeddings (section 6.2.1)."""

from ucl.extras import needs

needs("media", "pandas", "pydantic", "yaml", "soundfile", "huggingface_hub", "transformers")
