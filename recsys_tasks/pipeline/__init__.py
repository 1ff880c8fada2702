"""Settings and connections in, a published version out: the run, its files, its steps and its outcome."""
