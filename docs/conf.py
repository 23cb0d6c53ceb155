"""How Sphinx makes these pages: MyST for the text, furo for the looks, autodoc for the reference."""

from importlib import import_module

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

import isolib

project = "isolib"
author = "the isolib authors"
copyright = author  # Sphinx's own name for it
version = release = isolib.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
root_doc = "index"
nitpicky = False
default_role = "py:obj"  # single backquotes in docstrings name Python objects

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

maximum_signature_line_length = 88
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"isolib {release}"
html_static_path = ["_static"]
html_show_sourcelink = False
html_show_sphinx = False
html_copy_source = False


class Help(Directive):
    """``.. isolib-help:: run``: what ``isolib run --help`` prints, so that no option is described twice."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        text = import_module(f"isolib.cli.{self.arguments[0]}").PAGE.render()
        return [nodes.literal_block(text, text, language="text")]


def setup(app: Sphinx) -> None:
    app.add_directive("isolib-help", Help)
