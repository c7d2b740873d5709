"""Sphinx configuration: numpydoc, the API pages, the gallery; nothing is fetched from the network.

``SKMTL_DOCS_ONLINE`` turns on links into other projects' documentation, which need the network.
"""

import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from api_reference import aliases, methods, pages, write_pages  # noqa: E402

import skmtl  # noqa: E402

project = "skmtl"
author = "The skmtl developers"
copyright = "2026, The skmtl developers"
release = version = skmtl.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery", "auto_gallery/*.ipynb", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["skmtl.css"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
}
html_sidebars = {"index": []}
html_show_sourcelink = False
html_title = "skmtl"
default_role = "literal"

toc_object_entries_show_parents = "hide"
autosummary_generate = False  # api_reference.py writes the pages
# What scikit-learn documents links to labels that only its own pages have.
autodoc_inherit_docstrings = False
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "thumbnail_size": (400, 300),
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 0,
    "abort_on_example_error": True,
    "plot_gallery": True,
    "parallel": int(os.environ.get("SKMTL_DOCS_JOBS", "1")),
    "write_computation_times": False,
    "image_srcset": [],
    "matplotlib_animations": False,
}

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

PATHS = aliases()
OWNERS = {page.name: page.value for page in pages()}


def _resolve_alias(app, env, node, contnode):
    """Let every path that leads to a public name link to its page, methods included."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("skmtl."):
        return None
    for path in (target, target.rpartition(".")[0]):
        if path in PATHS:
            found = PATHS[path] + target.removeprefix(path)
            return env.domains["py"].resolve_xref(
                env, node["refdoc"], app.builder, node["reftype"], found, node, contnode
            )
    return None


def _shorten_inherited(app, what, name, obj, options, lines):
    """Keep the first sentence of what scikit-learn says about a method that it brings."""
    owner, _, method = name.rpartition(".")
    if not isinstance(OWNERS.get(owner), type):
        return
    member = methods(OWNERS[owner]).get(method)
    member = member.fget if isinstance(member, property) else member
    module = getattr(member, "__module__", None) or getattr(obj, "__module__", None)
    if str(module).startswith("sklearn"):
        end = lines.index("") if "" in lines else len(lines)
        # Its roles lead to labels that only scikit-learn's pages have.
        first = re.sub(r":\w+:`([^`<]+?)(?: <[^>]*>)?`", r"\1", " ".join(lines[:end]))
        lines[:] = [first, "", "Inherited from scikit-learn.", ""]


def setup(app):
    app.connect("missing-reference", _resolve_alias)
    app.connect("autodoc-process-docstring", _shorten_inherited, priority=100)
