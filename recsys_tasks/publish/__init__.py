"""A judged model to a version that others can trust."""
