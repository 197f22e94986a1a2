"""A network without a task, with all that `export` asks of a model."""


class RawNetwork:
    """Exports `network`, a functional model of one input of known sides, as it is."""

    def __init__(self, network, results):
        self.network, self._results = network, results

    def __call__(self, images, training=False):
        return self.network(images, training=training)

    def _flatten_layers(self, **options):
        return self.network._flatten_layers(**options)

    @property
    def layers(self):
        return self.network.layers

    def card(self):
        height, width = self.network.input.shape[1:3]
        pixels = {"channels": 3, "layout": "NHWC", "dtype": "float32", "range": [0, 255]}
        return {
            "format": "keras_struct",
            "card_version": 1,
            "task": "raw",
            "model": type(self).__name__,
            "class_names": [],
            "input": {
                **{"name": "images", "height": height, "width": width},
                **{"resize": "stretch", "pad_value": 114, **pixels},
            },
            "results": self._results,
        }
