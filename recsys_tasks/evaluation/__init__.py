"""A model and held-back interactions in, ranks, metrics and a verdict out; pure."""
