"""Sphinx's settings for the documentation's site: Markdown pages, and the consumer's API from its docstrings."""

from importlib.metadata import version as installed_version

project = "recsys"
author = "The recsys-tasks maintainers"
copyright = "the recsys-tasks maintainers, Apache License 2.0"
version = release = installed_version("recsys-tasks")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page may begin with any heading level

html_theme = "furo"
html_title = "recsys: a recommender, every night"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autoclass_content = "class"
nitpicky = False
