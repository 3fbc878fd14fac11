"""Sphinx configuration."""

from importlib.metadata import version as installed

project = "amazon-ae"
author = "The amazon-ae maintainers"
copyright = "2026, The amazon-ae maintainers"  # noqa: A001  # Sphinx's name
release = installed("amazon-ae")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_google_docstring = True
html_theme = "furo"
html_title = "amazon-ae"
html_static_path: list[str] = []
