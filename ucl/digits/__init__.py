"""Spoken, drawn and written digits, and the encoders that learn them."""

from ucl.extras import needs

needs("workflow", "open_clip", "soundfile", "pandas", "scipy", "sklearn")
