"""A detector with the statistics of a trained one, for measuring without training first.

An untrained SSD answers every image alike: nothing to compare, and decoding sees no usual load.
Here the batch normalisation is fitted to real or drawn images and the class scores are spread.
"""

import keras
import numpy as np

import keras_struct as ks

CANDIDATES = 300  # pairs of box and class above 0.01 per image, as trained SSDs have them


def build(name, image_size, num_classes, images, weights=None, seed=0):
    """Build SSD("name") whose scores vary as a trained model's do.

    Args:
        name: a `.keras` file, loaded and left as it is, or a backbone.
        image_size: int, pixels.
        num_classes: int.
        images: (N, S, S, 3) float32, 0..255, that the statistics are fitted to.
        weights: of the backbone, None for random ones.
        seed: int.
    """
    if name.endswith(".keras"):
        return keras.saving.load_model(name, compile=False)
    keras.utils.set_random_seed(seed)
    model = ks.models.SSD(name, num_classes=num_classes, image_size=image_size, weights=weights)
    norms = [x for x in _layers(model) if isinstance(x, keras.layers.BatchNormalization)]
    if weights is not None:  # those of the backbone know their images
        norms = [layer for layer in norms if not np.asarray(layer.moving_mean).any()]
    for layer in norms:
        layer.momentum = 0.0  # one pass, and the moving statistics are those of the images
    model(images, training=True)
    for layer in norms:
        layer.momentum = 0.99
    _spread(model, images)
    return model


def _layers(model):
    return model._flatten_layers(include_self=False)


def _spread(model, images, deviation=2.5):
    logits = np.asarray(model(images, training=False)["class_logits"])
    scale, width = deviation / logits.std(), logits.shape[-1]
    logits = logits * scale
    shift = _background(logits)
    for layer in _layers(model):
        if layer.name.startswith("class_logits_") and layer.name.endswith("_conv"):
            kernel, bias = (np.array(weight) for weight in layer.get_weights())
            bias *= scale
            bias.reshape(-1, width)[:, 0] += shift
            layer.set_weights([kernel * scale, bias])


def _background(logits):
    low, high = 0.0, 40.0
    for _ in range(20):
        middle = (low + high) / 2
        raised = logits.copy()
        raised[..., 0] += middle
        raised = np.exp(raised - raised.max(-1, keepdims=True))
        scores = raised[..., 1:] / raised.sum(-1, keepdims=True)
        above = (scores > 0.01).sum() / len(logits)
        low, high = (middle, high) if above > CANDIDATES else (low, middle)
    return high
