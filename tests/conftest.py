"""Shapes are checked at run time in every test: beartype over jaxtyping's annotations, for the whole package."""

from jaxtyping import install_import_hook

install_import_hook("ucl", "beartype.beartype")
