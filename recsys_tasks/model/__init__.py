"""Matrices to a judged model; pure: arrays in, arrays out."""
