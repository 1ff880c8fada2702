"""Bytes of CSV in, checked rows out; a row that does not fit leaves with its line and reason."""
