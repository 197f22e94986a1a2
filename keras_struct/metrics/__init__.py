"""Evaluation of results against the ground truth."""
