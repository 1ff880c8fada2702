"""Interactions and item features in, a trained model out; pure."""
