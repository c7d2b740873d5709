"""Sphinx configuration: numpydoc, one page a public name, nothing fetched from the network unless
SKMTL_DOCS_ONLINE is set.
"""

import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from api_reference import homes, write_pages  # noqa: E402

import skmtl  # noqa: E402

project = "skmtl"
author = "The skmtl developers"
copyright = "2026, The skmtl developers"
release = version = skmtl.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_static_path = ["_static"] if (HERE / "_static").is_dir() else []
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
html_title = "skmtl"
default_role = "literal"

autosummary_generate = True
autodoc_inherit_docstrings = (
    False  # what scikit-learn documents links to labels that only its own pages have
)
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

if os.environ.get("SKMTL_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "pandas": ("https://pandas.pydata.org/docs", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }

write_pages(HERE / "api" / "generated")


def _skip_request_methods(app, what, name, obj, skip, options):
    """scikit-learn adds ``set_fit_request`` and its like to every class; their text is about its
    own metadata routing guide.
    """
    return True if re.fullmatch(r"set_\w+_request", name) else skip


def _resolve_short_name(app, env, node, contnode):
    """Let ``skmtl.TaskSet`` link to where it is described, the page of its room."""
    _, _, name = node.get("reftarget", "").partition("skmtl.")
    home = homes()["skmtl"].get(name.split(".")[0])
    if node.get("refdomain") != "py" or not home:
        return None
    return env.domains["py"].resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], f"{home}.{name}", node, contnode
    )


def setup(app):
    app.connect("missing-reference", _resolve_short_name)
    app.connect("autodoc-skip-member", _skip_request_methods)
