"""Layers that compute in float32 in every precision: the decoder, and those that say so."""

import re


def pattern_of(names) -> re.Pattern:
    """What finds operators of layers in a graph, where Keras numbers repeated calls."""
    return re.compile(rf"(^|/)({'|'.join(map(re.escape, sorted(names)))})(_\d+)?/")


DECODER = pattern_of(["decoder"])


def float_layers(network) -> re.Pattern:
    """Return the pattern of a network: its decoder, and layers with `always_float32`.

    The inference of a CRF for one adds up small differences over many rounds, in a float32 that it
    keeps under any dtype policy. What comes behind such a layer stays float32 too.
    """
    layers = network._flatten_layers(include_self=False)
    return pattern_of({"decoder", *(x.name for x in layers if getattr(x, "always_float32", False))})
