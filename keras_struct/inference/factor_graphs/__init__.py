"""Inference on factor graphs: potentials in; log partition, beliefs, labellings out."""
