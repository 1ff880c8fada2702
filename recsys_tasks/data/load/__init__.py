"""Checked rows in, Postgres tables out: staged, deduplicated, merged, every row accounted for."""
