"""Inference: potentials in, beliefs out."""

from keras_struct.inference.factor_graphs.belief_propagation import (
    belief_propagation as belief_propagation,
)
from keras_struct.inference.factor_graphs.belief_propagation import max_product as max_product
from keras_struct.inference.factor_graphs.chains import chained as chained
from keras_struct.inference.factor_graphs.chains import chained_map as chained_map
from keras_struct.inference.factor_graphs.dual_relaxation import convex_beliefs as convex_beliefs
from keras_struct.inference.factor_graphs.dual_relaxation import relaxed_map as relaxed_map
from keras_struct.inference.factor_graphs.elimination import eliminated as eliminated
from keras_struct.inference.factor_graphs.elimination import eliminated_map as eliminated_map
from keras_struct.inference.factor_graphs.elimination import eliminated_sample as eliminated_sample
from keras_struct.inference.factor_graphs.factor_mean_field import (
    factor_mean_field as factor_mean_field,
)
from keras_struct.inference.factor_graphs.graph_cut import alpha_expansion as alpha_expansion
from keras_struct.inference.factor_graphs.graph_cut import graph_cut as graph_cut
from keras_struct.inference.factor_graphs.m_best import m_best as m_best
from keras_struct.inference.factor_graphs.methods import best_labels as best_labels
from keras_struct.inference.factor_graphs.methods import infer as infer
from keras_struct.inference.factor_graphs.potentials import score as score
from keras_struct.inference.factor_graphs.results import Beliefs as Beliefs
from keras_struct.inference.factor_graphs.results import entropy as entropy
from keras_struct.inference.factor_graphs.results import moment_matched as moment_matched
from keras_struct.inference.mean_field import mean_field as mean_field
from keras_struct.inference.refinement import label_logits as label_logits
from keras_struct.inference.refinement import refine as refine
