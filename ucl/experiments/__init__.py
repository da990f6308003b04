"""The experiments of the paper, one room each."""

from ucl.extras import needs

needs("workflow", "pydantic", "yaml", "pandas", "scipy", "matplotlib", "sklearn")
