"""The region proposal network: what every anchor looks like, and where its object is."""

import keras


def proposal_head(levels, num_anchors, width):
    """Predict on each level with the same small network, and join the levels.

    Args:
        levels: {"P4": (B, h, w, C) Keras tensor, ...}, the finest first, channels alike.
        num_anchors: int, anchors of a cell.
        width: int, channels of the 3x3 convolution: 512 (VGG16) or 256 (pyramid).

    Returns:
        {"rpn_logits": (B, A), "rpn_deltas": (B, A, 4)} float32 Keras tensors, in the order of
        `grid_anchors`.

    Source: Ren et al. 2015, arXiv:1506.01497, section 3.1; one logit and a sigmoid stand for the
    softmax over two, as in Detectron2.
    """
    start = keras.initializers.RandomNormal(0.0, 0.01)
    convolution = keras.layers.Conv2D(
        width, 3, padding="same", activation="relu", kernel_initializer=start, name="rpn_conv"
    )
    objects = keras.layers.Conv2D(num_anchors, 1, kernel_initializer=start, name="rpn_objects")
    offsets = keras.layers.Conv2D(num_anchors * 4, 1, kernel_initializer=start, name="rpn_offsets")
    logits, deltas = [], []
    for name, x in levels.items():
        x = convolution(x)
        count = x.shape[1] * x.shape[2] * num_anchors
        suffix = name.lower()
        logits.append(keras.layers.Reshape((count,), name=f"rpn_logits_{suffix}")(objects(x)))
        deltas.append(keras.layers.Reshape((count, 4), name=f"rpn_deltas_{suffix}")(offsets(x)))
    return {
        "rpn_logits": _joined(logits, "rpn_logits"),
        "rpn_deltas": _joined(deltas, "rpn_deltas"),
    }


def _joined(parts, name):
    if len(parts) == 1:
        return keras.layers.Activation("linear", dtype="float32", name=name)(parts[0])
    return keras.layers.Concatenate(axis=1, dtype="float32", name=name)(parts)
