"""A network that gives unary potentials, and a graph that ties its outputs together."""

import keras
from keras import ops

from keras_struct.losses.graph_losses import NAMES, graph_loss
from keras_struct.losses.image_mean import ImageMean


@keras.saving.register_keras_serializable(package="keras_struct")
class StructuredModel(keras.Model):
    """Several output variables at once: potentials by a network, inference by a CRF layer.

    `fit` takes (inputs, {"labels": (B, V) integers}); labels below 0 are variables left out. What
    it learns by is one argument, so that the ways of the literature are the same code: unary alone,
    piecewise, jointly (`loss="log_loss"` or "hinge"), or jointly from a trained unary model: train
    one with loss="unary", then set `loss` to another and compile again.

    Args:
        network: functional model to unary potentials (B, V, S), log space.
        crf: a `GraphCRF` or `ChainCRF` with output="labels".
        loss: "log_loss", "hinge", "pseudo_likelihood", "piecewise" or "unary", see `graph_loss`.
        loss_method: inference of the first two, see `inference.infer`; None for that of `crf`.
        loss_options: dict, options of that inference, or None for those of `crf`.
        name: of the model.

    Call arguments:
        inputs: of the network.

    Returns:
        {"unary": (B, V, S)}.

    Raises:
        ValueError: for a loss that is none.

    Example:
        model = StructuredModel(network, keras_struct.layers.ChainCRF(), loss="log_loss")
        model.compile("adam")
        model.fit(letters, {"labels": words}, epochs=10)
        labels = model.with_decoder().predict(letters)["labels"]

    Source: Chen et al. 2015, arXiv:1407.2538 (deep structured models).
    """

    task = "structured"

    def __init__(
        self, network, crf, loss="log_loss", loss_method=None, loss_options=None, name=None
    ):
        if loss not in NAMES:
            raise ValueError(f"`loss` must be one of {NAMES}. Received: loss={loss!r}.")
        super().__init__(inputs=network.inputs, outputs={"unary": network.output}, name=name)
        self.network, self.crf = network, crf
        self.learn_by = loss
        self.loss_method, self.loss_options = loss_method, loss_options
        if not crf.built:
            crf(network.output)
        self.image_mean = ImageMean()
        self.accuracy = keras.metrics.Mean(name="accuracy")  # of unary potentials alone

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of the potentials, mean over items and divided by their variables."""
        labels = ops.cast(y["labels"], "int32")
        mask = ops.greater_equal(labels, 0)
        options = {}
        if self.learn_by in ("log_loss", "hinge"):
            options = {"method": self.loss_method or self.crf.method}
            options |= self.crf.method_options if self.loss_options is None else self.loss_options
        potentials = self.crf.potentials(y_pred["unary"])
        per_item = graph_loss(
            self.learn_by, self.crf.graph, potentials, ops.maximum(labels, 0), mask, **options
        )
        count = ops.sum(ops.cast(mask, "float32"), axis=-1)
        per_item = ops.divide_no_nan(per_item, count)
        total = self.image_mean(per_item, per_item, sample_weight=sample_weight)
        return total + ops.sum(self.losses) if self.losses else total

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Loss, and how often the unary potentials alone are right."""
        labels = ops.cast(y["labels"], "int32")
        guess = ops.cast(ops.argmax(y_pred["unary"], axis=-1), "int32")
        there = ops.cast(labels >= 0, "float32")
        self.accuracy.update_state(ops.cast(guess == labels, "float32"), sample_weight=there)
        return self.get_metrics_result()

    def with_decoder(self):
        """Functional model from inputs to {"labels": (B, V) int32}."""
        labels = self.crf(self.network.output)
        return keras.Model(self.network.inputs, {"labels": labels}, name=f"{self.name}_decoded")

    def get_config(self):
        """The arguments."""
        return {
            "name": self.name,
            "network": keras.saving.serialize_keras_object(self.network),
            "crf": keras.saving.serialize_keras_object(self.crf),
            "loss": self.learn_by,
            "loss_method": self.loss_method,
            "loss_options": self.loss_options,
        }

    @classmethod
    def from_config(cls, config):
        """Rebuild from `get_config`."""
        config = dict(config)
        for name in ("network", "crf"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
