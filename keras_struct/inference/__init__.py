"""Inference: potentials in, beliefs out."""

from keras_struct.inference.refinement import label_logits as label_logits
from keras_struct.inference.refinement import refine as refine
