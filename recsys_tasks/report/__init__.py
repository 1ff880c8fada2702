"""The page that a person reads about one run: facts in, one self-contained HTML file out.

``page`` puts the sections together, ``sections`` turns facts into what is shown, ``plots`` draws,
``wording`` says numbers as a person would.
"""

from recsys_tasks.report.page import render_report

__all__ = ["render_report"]
