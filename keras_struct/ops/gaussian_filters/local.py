"""The bilateral filter inside a small window: shifts and products only."""

import dataclasses

from keras import ops

from keras_struct.ops.gaussian_filters.features import scaled_colours

# Colour of what lies outside the image, in bandwidths: so far away that its weight is exactly 0.
_FAR = 1000.0


@dataclasses.dataclass(frozen=True)
class LocalFilter:
    """Pixels of a window, every `dilation`-th one, with their exact bilateral weights.

    It is another model than the fully connected one rather than an approximation of it: what lies
    outside the window has no influence in one iteration. It needs no gather, so that it exports to
    every target. Cost: (2 radius + 1)^2 products for each value.

    Args:
        sxy: float > 0, pixels.
        srgb: float > 0, grey levels.
        radius: int >= 1, neighbours to each side.
        dilation: int >= 1, pixels from one neighbour to the next.
    """

    sxy: float
    srgb: float
    radius: int = 2
    dilation: int = 4

    def __post_init__(self):
        for name in ("radius", "dilation"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(
                    f"`{name}` must be a positive integer. Received: {name}={value!r}."
                )

    def build(self, images):
        """Weights (B, H, W, 1) of every neighbour, in the order of `_shifts`."""
        colours = scaled_colours(images, self.srgb)
        return tuple(
            self._weights(colours, near, shift)
            for near, shift in zip(self._shifted(colours, _FAR), self._shifts(), strict=True)
        )

    def sums(self, state):
        """`apply` to ones: artefacts would store the image's borders once for every neighbour."""
        return sum(state)

    def apply(self, state, values):
        """Filter values (B, H, W, C)."""
        total = 0.0
        for weights, near in zip(state, self._shifted(values), strict=True):
            total = total + weights * near
        return total

    def _weights(self, colours, near, shift):
        distance = (shift[0] ** 2 + shift[1] ** 2) / self.sxy**2
        distance = distance + ops.sum(ops.square(colours - near), axis=-1, keepdims=True)
        return ops.exp(-0.5 * distance)

    def _shifts(self):
        steps = [self.dilation * step for step in range(-self.radius, self.radius + 1)]
        return [(down, right) for down in steps for right in steps]

    def _shifted(self, maps, outside=0.0):
        """The maps (B, H, W, K) as every neighbour sees them."""
        height, width = maps.shape[1:3]
        margin = self.radius * self.dilation
        sides = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
        padded = ops.pad(maps, sides, constant_values=outside)
        for down, right in self._shifts():
            top, left = margin + down, margin + right
            yield padded[:, top : top + height, left : left + width]
