"""Facts of a run in, sections of its report out, one module a theme."""
