"""Inference: potentials in, beliefs out."""

from keras_struct.inference.mean_field import mean_field as mean_field
from keras_struct.inference.refinement import label_logits as label_logits
from keras_struct.inference.refinement import refine as refine
