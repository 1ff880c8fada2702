"""Rows to sparse matrices; pure: arrays in, arrays out."""
