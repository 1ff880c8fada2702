"""Synthetic ratings at the published shape of MovieLens 25M: from facts to arrays, no files.

``published`` holds the facts; ``activity`` turns them into counts, ``catalogue`` into movies,
``tastes`` into who rates what, ``moments`` into when, ``stars`` into how much; ``check`` reads a
written folder back and compares it with the facts.
"""
