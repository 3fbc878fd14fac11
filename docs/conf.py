"""Sphinx configuration."""

import sys
from importlib.metadata import version as installed
from pathlib import Path
from types import FunctionType

from sphinx.application import Sphinx

import amazon_ae
import amazon_ae.testing

sys.path.insert(0, str(Path(__file__).parent))
from api_pages import with_api_links, write_pages

project = "amazon-ae"
author = "The amazon-ae maintainers"
copyright = "2026, The amazon-ae maintainers"  # noqa: A001  # Sphinx's name
release = installed("amazon-ae")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
napoleon_google_docstring = True
copybutton_prompt_text = "$ "
html_theme = "furo"
html_title = "amazon-ae"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_theme_options = {
    "source_repository": "https://github.com/amazon-ae/amazon-ae/",
    "source_branch": "main",
    "source_directory": "docs/",
}


def _show_public_paths() -> None:
    """Show every public name under the path that users import it from."""
    packages = (amazon_ae, amazon_ae.testing)
    # Everything is loaded first: some modules resolve annotations by the true path while they load.
    public = [(package.__name__, getattr(package, name)) for package in packages for name in package.__all__]
    for path, value in public:
        if isinstance(value, type | FunctionType) and value.__module__.startswith("amazon_ae."):
            value.__module__ = path


# Where names are defined decides on which page they stand, so the pages are written first.
write_pages(Path(__file__).parent / "reference" / "api")
_show_public_paths()


def _link_api(_app: Sphinx, name: str, source: list[str]) -> None:
    if name.startswith("how-to/"):
        source[0] = with_api_links(source[0])


def _signature(
    _app: Sphinx, _what: str, _name: str, value: object, _options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """A protocol is implemented, not called: its constructor says nothing."""
    return (None, None) if getattr(value, "_is_protocol", False) else (signature, returned)


def setup(app: Sphinx) -> None:
    """Sphinx's hook."""
    app.connect("source-read", _link_api)
    app.connect("autodoc-process-signature", _signature)
