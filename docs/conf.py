"""How Sphinx builds the site: `make docs`. Nothing is downloaded, neither here nor by a reader's browser."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "framegate"
author = "the framegate authors"
copyright = "the framegate authors, MIT licence"
version = release = installed_version("framegate")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "command_line",
    "recipe_keys",
    "public_names",
]
exclude_patterns = ["_extensions"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

smartquotes_action = "D"  # autodoc writes dashes as --; quotes stay as they are

html_theme = "furo"  # brings its own styles, and uses the reader's own fonts
html_title = "framegate"
html_static_path = ["_static"]
html_css_files = ["framegate.css"]
html_copy_source = False
html_show_sourcelink = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "undoc-members": False}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Shape", "Parameters"]

copybutton_exclude = ".linenos, .gp"

nitpicky = True  # names without a page are checked by public_names


def setup(app: Sphinx) -> None:
    """Keep napoleon from reading the docstring of an attribute, "(B, dim): unit rows", as a type and its meaning."""
    whole: dict[str, list[str]] = {}

    def remember(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
        if what in ("attribute", "data", "property"):
            whole[name] = list(lines)

    def restore(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
        if name in whole:
            lines[:] = whole.pop(name)

    app.connect("autodoc-process-docstring", remember, priority=400)  # napoleon's is 500
    app.connect("autodoc-process-docstring", restore, priority=600)
