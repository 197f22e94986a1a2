"""Gaussian filters of high dimension behind one interface.

A filter knows its bandwidths. `build(images)` prepares what depends on the photos alone, and
`apply(state, values)` gives sum_j exp(-|f_i - f_j|^2 / 2) v_j over pixels j, i itself included,
for any number of channels, as often as needed. Both take batches and trace with static sizes.

Mean field with the published parameters on three photos, mean over pixels of the sum over labels of
|Q - Q*|, where Q* is exact; the cost of one application with M values a pixel on N pixels:

| filter                  | 96x72, 240x180  | multiplications a value, roughly | runs in artefacts |
|-------------------------|-----------------|----------------------------------|-------------------|
| exact                   | 0      0        | N                                | no                |
| permutohedral           | 0.0024 0.0023   | 12 + 24 vertices / N             | no                |
| grid                    | 0.0066 0.0064   | 512                              | yes               |
| grid, 128 colours, 0.5  | 0.0021 0.0028   | 1024                             | yes               |
| local                   | 0.12   0.17     | 25                               | yes               |
| (pydensecrf)            | 0.0053 0.0071   |                                  |                   |

5 iterations; benchmarks/dense_crf_accuracy.py measures it. All but "local" approximate the same
model; "local" is another one, with fewer neighbours. All run compiled by XLA.
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
