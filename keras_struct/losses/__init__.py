"""Losses on raw predictions and padded ground truth."""
