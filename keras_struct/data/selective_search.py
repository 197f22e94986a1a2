"""Selective search: regions that grow together by likeness, as OpenCV's extra modules do it."""

import numpy as np

MODES = ("fast", "quality")


def selective_search(image, mode: str = "fast") -> np.ndarray:
    """Boxes of an image that may hold an object.

    Args:
        image: (H, W, 3) uint8 RGB.
        mode: "fast", about 2,000 boxes of a photograph, or "quality", about 10,000.

    Returns:
        (P, 4) float32 xyxy, pixels, continuous edges; those that OpenCV ranks first come first.

    Raises:
        ValueError: for another mode.
        ImportError: where OpenCV is missing, or lacks its extra modules.

    Source: Uijlings et al. 2013, IJCV 104(2); opencv-contrib-python-headless.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {MODES}. Received: mode={mode!r}.")
    search = _segmentation()
    search.setBaseImage(np.ascontiguousarray(image[..., ::-1]))
    switch = {"fast": search.switchToSelectiveSearchFast}
    switch.get(mode, search.switchToSelectiveSearchQuality)()
    found = np.asarray(search.process(), "float32").reshape(-1, 4)
    return np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], axis=1)


def _segmentation():
    try:
        import cv2

        return cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    except (ImportError, AttributeError):
        raise ImportError(
            "Selective search needs OpenCV with its extra modules: "
            "pip install keras-struct[proposals]"
        ) from None
