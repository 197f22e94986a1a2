"""Conditional random fields as layers: unary potentials in, labels or beliefs out."""

import keras
import numpy as np
from keras import ops

from keras_struct.graphs import FactorGraph, chain
from keras_struct.inference.factor_graphs.methods import best_labels, check_method, infer
from keras_struct.inference.factor_graphs.potentials import name_of

_OUTPUTS = ("labels", "beliefs")


@keras.saving.register_keras_serializable(package="keras_struct")
class GraphCRF(keras.layers.Layer):
    """A factor graph whose unary potentials a network gives, and whose tables are its weights.

    The graph says which factors share a table. Tables may come from a network as well: then the
    layer has no weights. Losses of `keras_struct.losses.graph_loss` take `crf.graph` and
    `crf.potentials(unary)`.

    Args:
        graph: a `FactorGraph`.
        output: "labels" (the best labelling) or "beliefs" (marginals of the variables).
        method: "exact", "belief_propagation", "mean_field" or "convex", see `inference.infer`.
        method_options: dict, further arguments of that method such as {"rounds": 10}, or None.
        tables_initializer: of the tables.
        tables_regularizer: of the tables, or None.
        tables_from_network: bool, whether tables are call arguments in the place of weights.

    Call arguments:
        unary: (B, V, S) float, log space.
        tables: {"pairwise": (B, T, S, S), "order3": ...} float, with `tables_from_network` only.
        mask: (B, V) bool, or None for all variables.

    Returns:
        (B, V) int32 labels, 0 where left out, or (B, V, S) float32 beliefs.

    Raises:
        ValueError: for arguments or potentials that do not fit.

    Example:
        crf = GraphCRF(keras_struct.graphs.grid(8, 8, states=3))
        labels = crf(network(images))
    """

    def __init__(
        self,
        graph,
        output="labels",
        method="exact",
        method_options=None,
        tables_initializer="zeros",
        tables_regularizer=None,
        tables_from_network=False,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        if output not in _OUTPUTS:
            raise ValueError(f"`output` must be one of {_OUTPUTS}. Received: output={output!r}.")
        check_method(method)
        self.graph = graph
        self.output_kind = output
        self.method = method
        self.method_options = dict(method_options or {})
        self.tables_initializer = keras.initializers.get(tables_initializer)
        self.tables_regularizer = keras.regularizers.get(tables_regularizer)
        self.tables_from_network = tables_from_network
        self.supports_masking = True

    def build(self, unary_shape, tables_shape=None):
        self.tables = {}
        if self.tables_from_network:
            return
        for order in self.graph.orders:
            self.tables[name_of(order)] = self.add_weight(
                shape=(1, self.graph.num_tables(order), *[self.graph.num_states] * order),
                initializer=self.tables_initializer,
                regularizer=self.tables_regularizer,
                name=name_of(order),
            )

    def potentials(self, unary, tables=None):
        """Potentials of the graph, as inference and losses take them.

        Raises:
            ValueError: if `tables` come without `tables_from_network`, or are missing with it.
        """
        if (tables is not None) != self.tables_from_network:
            rule = "must come with" if self.tables_from_network else "must not come with"
            raise ValueError(
                f"`tables` {rule} tables_from_network={self.tables_from_network}. "
                f"Received: tables={None if tables is None else sorted(tables)}."
            )
        tables = self.tables if tables is None else tables
        return {"unary": unary, **{name: ops.convert_to_tensor(x) for name, x in tables.items()}}

    def call(self, unary, tables=None, mask=None):
        given = self.potentials(unary, tables)
        if self.output_kind == "labels":
            return best_labels(self.graph, given, mask, self.method, **self.method_options)
        return infer(self.graph, given, mask, self.method, **self.method_options).unary

    def compute_output_shape(self, unary_shape, tables_shape=None):
        return unary_shape[:2] if self.output_kind == "labels" else unary_shape

    def compute_output_spec(self, unary, tables=None, mask=None):
        labels = self.output_kind == "labels"
        shape = self.compute_output_shape(unary.shape)
        return keras.KerasTensor(shape, "int32" if labels else "float32")

    def get_config(self):
        return {
            **super().get_config(),
            **self._shape_config(),
            "output": self.output_kind,
            "method": self.method,
            "method_options": self.method_options,
            "tables_initializer": keras.initializers.serialize(self.tables_initializer),
            "tables_regularizer": keras.regularizers.serialize(self.tables_regularizer),
            "tables_from_network": self.tables_from_network,
        }

    def _shape_config(self):
        return {"graph": self.graph.get_config()}

    @classmethod
    def from_config(cls, config):
        """Rebuild from `get_config`."""
        config = dict(config)
        if isinstance(config.get("graph"), dict):
            config["graph"] = FactorGraph.from_config(config["graph"])
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_struct")
class ChainCRF(GraphCRF):
    """A chain over the time steps of its input, exact.

    Args:
        order: int, longest distance of two steps that are tied.
        shared: bool, whether pairs of one distance share their table; else each has its own.
        **options: of `GraphCRF`.

    Call arguments:
        unary: (B, T, S) float, log space; T and S are fixed once built.
        tables: as for `GraphCRF`.
        mask: (B, T) bool, true for a first part of each row, or None.

    Raises:
        ValueError: for a mask with holes, where it can be seen, and as `GraphCRF`.

    Source: Lafferty, McCallum and Pereira 2001, Conditional random fields.
    """

    def __init__(self, order=1, shared=True, **options):
        super().__init__(None, **options)
        self.order = order
        self.shared = shared

    def build(self, unary_shape, tables_shape=None):
        if None in unary_shape[1:]:
            raise ValueError(
                "`unary` must have a known number of steps and states. "
                f"Received: shape {tuple(unary_shape)}. Pad to a fixed length, with a mask."
            )
        self.graph = chain(unary_shape[1], unary_shape[2], self.order, self.shared)
        super().build(unary_shape, tables_shape)

    def call(self, unary, tables=None, mask=None):
        check_prefix(mask)
        return super().call(unary, tables, mask)

    def _shape_config(self):
        return {"order": self.order, "shared": self.shared}


def check_prefix(mask):
    """Raise a ValueError for a mask (B, T) that leaves out a step before one that is there.

    Inside of a compiled function its values are not known: there it says nothing.
    """
    try:
        there = np.asarray(ops.convert_to_numpy(mask), bool) if mask is not None else None
    except Exception:  # symbolic, whatever the backend calls it
        return
    if there is not None and (there[:, 1:] & ~there[:, :-1]).any():
        row = int(np.flatnonzero((there[:, 1:] & ~there[:, :-1]).any(axis=1))[0])
        raise ValueError(
            "`mask` must be true for a first part of each row. "
            f"Received: {there[row].astype(int).tolist()} in row {row}."
        )
