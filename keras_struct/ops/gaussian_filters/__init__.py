"""Gaussian filters of high dimension behind one interface.

A filter knows its bandwidths. `build(images)` prepares what depends on the photos alone, and
`apply(state, values)` gives sum_j exp(-|f_i - f_j|^2 / 2) v_j over pixels j, i itself included,
for any number of channels, as often as needed. Both take batches and trace with static sizes.
"""

import dataclasses

from keras_struct.ops.gaussian_filters.exact import ExactFilter as ExactFilter
from keras_struct.ops.gaussian_filters.features import check_bandwidth as check_bandwidth
from keras_struct.ops.gaussian_filters.grid import GridFilter as GridFilter
from keras_struct.ops.gaussian_filters.linear import (
    symmetric_normalization as symmetric_normalization,
)
from keras_struct.ops.gaussian_filters.local import LocalFilter as LocalFilter
from keras_struct.ops.gaussian_filters.permutohedral import (
    PermutohedralFilter as PermutohedralFilter,
)
from keras_struct.ops.gaussian_filters.spatial import SpatialFilter as SpatialFilter

BILATERAL_FILTERS = {
    "exact": ExactFilter,
    "permutohedral": PermutohedralFilter,
    "grid": GridFilter,
    "local": LocalFilter,
}


def bilateral_filter(name: str, sxy: float, srgb: float, **options):
    """Make a bilateral filter by name.

    Args:
        name: key of `BILATERAL_FILTERS`.
        sxy: float > 0, standard deviation of positions, pixels.
        srgb: float > 0, standard deviation of colours, grey levels.
        **options: further arguments of that filter.

    Raises:
        ValueError: for an unknown name or option.
    """
    if name not in BILATERAL_FILTERS:
        raise ValueError(
            f"`filter` must be one of {tuple(BILATERAL_FILTERS)}. Received: filter={name!r}."
        )
    kind = BILATERAL_FILTERS[name]
    known = {field.name for field in dataclasses.fields(kind)} - {"sxy", "srgb"}
    if not set(options) <= known:
        raise ValueError(
            f"`filter_options` of the {name!r} filter must be among {sorted(known)}. "
            f"Received: {sorted(options)}."
        )
    return kind(sxy, srgb, **options)
