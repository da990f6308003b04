"""Real media: tables of clips and texts, pretrained encoders, and stores of their embeddings (section 6.2.1)."""
