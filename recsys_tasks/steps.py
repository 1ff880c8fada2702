"""Placeholder, replaced in the next commits: the thirteen steps of a run."""
