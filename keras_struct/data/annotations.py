"""Rules every annotated box obeys, shared by the readers."""

import math

from absl import logging

from keras_struct.data.errors import dataset_error

# Tools disagree about 0- or 1-based pixels, so that one pixel too far is no mistake of anybody.
BORDER_TOLERANCE = 1.0


class BoxReport:
    """Counts the boxes a reader dropped or cut, and logs one line at the end."""

    def __init__(self, name: str, strict: bool):
        self.name = name
        self.strict = strict
        self.dropped = 0
        self.clipped = 0

    def clean(self, box, size: tuple[int, int], file: str, field: str):
        """Clip one xyxy box to its image.

        Args:
            box: four numbers, xyxy, continuous edges, pixels.
            size: (height, width) of the image, pixels.
            file: the annotation file, for messages.
            field: the field in it, for messages.

        Returns:
            The clipped box, or None where nothing of it is left. A box without area, or wholly
            outside the image, is dropped and counted. One that reaches more than one pixel beyond
            the border is clipped and counted; up to one pixel it is clipped in silence.

        Raises:
            DatasetError: for a number that is not finite; with `strict`, for all counted cases.
        """
        if not all(math.isfinite(value) for value in box):
            raise dataset_error(file, field, f"must hold finite numbers. Received: {tuple(box)}")
        height, width = size
        clipped = [
            min(max(value, 0.0), limit)
            for value, limit in zip(box, (width, height, width, height), strict=True)
        ]
        empty = clipped[2] <= clipped[0] or clipped[3] <= clipped[1]
        overshoot = max(abs(a - b) for a, b in zip(box, clipped, strict=True))
        if self.strict and (empty or overshoot > BORDER_TOLERANCE):
            raise dataset_error(
                file,
                field,
                "must be a box with an area inside the image. "
                f"Received: xyxy={tuple(box)}, image height={height}, width={width}",
                "Correct it, or read with strict=False to drop or clip such boxes.",
            )
        if empty:
            self.dropped += 1
            return None
        self.clipped += overshoot > BORDER_TOLERANCE
        return clipped

    def log(self) -> None:
        """Log how many boxes were dropped and clipped, if any were."""
        if self.dropped or self.clipped:
            logging.warning(
                "%s: dropped %d boxes without area inside their image, clipped %d that reached "
                "beyond it (strict=True makes each an error)",
                self.name,
                self.dropped,
                self.clipped,
            )
