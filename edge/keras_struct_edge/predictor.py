"""Predictor: an artefact ready to run, whichever runtime is below."""

import numpy as np

from .preprocessing import preprocess
from .runtimes import Runtime
from .tasks import answer, task_of


class Predictor:
    """Runs one artefact: `predictor(image)` gives the answer in pixels of that image.

    Made by `load`. One predictor serves one thread at a time, as the runtimes below do.

    Args:
        runtime: an opened artefact.
    """

    def __init__(self, runtime: Runtime):
        self._runtime = runtime

    @property
    def card(self) -> dict:
        """What the artefact says about itself: task, class names, input, precision, versions."""
        return self._runtime.card

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by label."""
        return tuple(self.card["class_names"])

    def __call__(self, image: np.ndarray):
        """Find what is in `image`.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            For task "detection" `Detections`, for task "segmentation" a `Segmentation`, in pixels
            of `image`.

        Raises:
            TypeError: if `image` is not a uint8 array.
            ValueError: if its shape is not (H, W, 3), or the artefact takes no single images.
        """
        task_of(self.card)  # says what to do with a raw network, before time is spent
        batch = self.preprocess(image)
        return self.postprocess(self.run(batch), image.shape[:2])

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (1, height, width, 3) float32, the network's input."""
        return preprocess(image, self.card["input"])

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on prepared images.

        Args:
            batch: (B, height, width, 3) float32, 0..255.

        Returns:
            The artefact's results by name, with a leading B; boxes in network pixels.

        Raises:
            TypeError: if `batch` is not a float32 array.
            ValueError: if its shape or batch size is not the artefact's.
        """
        self._check_batch(batch)
        return self._runtime.run(np.ascontiguousarray(batch))

    def postprocess(self, results: dict[str, np.ndarray], size: tuple[int, int], index: int = 0):
        """Turn one image's results into the answer.

        Args:
            results: what `run` gave.
            size: (height, width) of the original image, pixels.
            index: which image of the batch.

        Returns:
            As a call: `Detections` or a `Segmentation`, in pixels of the original image.
        """
        return answer(results, index, size, self.card)

    def _check_batch(self, batch):
        spec, batch_size = self.card["input"], self.card["batch_size"]
        shape = (batch_size or "B", spec["height"], spec["width"], 3)
        if not isinstance(batch, np.ndarray) or batch.dtype != np.float32:
            kind = getattr(batch, "dtype", type(batch).__name__)
            raise TypeError(
                f"`batch` must be a float32 array of shape {shape}. Received: batch of {kind}. "
                "Make it with predictor.preprocess(image)."
            )
        if batch.ndim != 4 or batch.shape[1:] != shape[1:] or len(batch) == 0:
            raise ValueError(
                f"`batch` must have shape {shape}. Received: batch of shape {batch.shape}. "
                "Make it with predictor.preprocess(image)."
            )
        if batch_size is not None and len(batch) != batch_size:
            raise ValueError(
                f"`batch` must hold {batch_size} image(s), the size this artefact was exported "
                f"with. Received: {len(batch)}. Export with batch_size=None for any number."
            )
