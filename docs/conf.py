"""Sphinx configuration: `sphinx-build -W -b html docs build/docs` builds the site without a warning."""

from htzoo import __version__

project = "htzoo"
author = "the htzoo maintainers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns: list[str] = []
html_theme = "furo"
html_title = f"htzoo {release}"
default_role = "code"  # single backticks in docstrings
myst_heading_anchors = 3
myst_links_external_new_tab = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autoclass_content = "both"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
