"""Sphinx settings of these pages: `sphinx-build -W --keep-going -b html docs site`."""

import configparser
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The tree beside the pages is described, and not a copy that is installed.
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

project = "tfepi"
author = "the tfepi authors"
copyright = "the tfepi authors, Apache-2.0"
settings = configparser.ConfigParser()
settings.read(HERE.parent / "setup.cfg")
version = release = settings["metadata"]["version"]
del settings  # a value that Sphinx cannot store

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generated_pages",
    "plain_docstrings",
]
exclude_patterns = ["_ext", "_static", "examples", "**/*.py", "**/*.sh"]
# A type that is imported for type checkers only is known by its short name, which several have.
suppress_warnings = ["ref.python"]
nitpicky = False

myst_heading_anchors = 4
myst_enable_extensions = ["deflist", "fieldlist"]
myst_links_external_new_tab = False

autodoc_default_options = {
    "members": True,
    "ignore-module-all": True,
    "member-order": "bysource",
}
autodoc_typehints = "signature"
maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False  # "length: in bp" names what is returned, no type
add_module_names = False
default_role = "py:obj"
python_use_unqualified_type_names = True
toc_object_entries = False

highlight_language = "text"
html_theme = "furo"
html_title = "tfepi"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
# Furo's own fonts are the system's; no page loads anything from elsewhere.
pygments_style = "friendly"
