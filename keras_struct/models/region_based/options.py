"""What every region-based detector is told, whatever its network."""

import dataclasses

from keras_struct.ops.region_sampling import Sampling
from keras_struct.ops.sizes import image_sides

_RESIZES = ("stretch", "letterbox")


@dataclasses.dataclass
class RegionOptions:
    """Arguments shared by the region-based detectors.

    Args:
        num_classes: int, object classes without background.
        image_size: int or (height, width), pixels of the input image.
        class_names: `num_classes` strings, or None for "class_0", "class_1", ...
        resize: "stretch" or "letterbox", how images come to the input size; noted here for
            evaluation, export and the device.
        regions_per_image: int, regions of an image that the heads are trained on.
        positive_fraction: float in (0, 1], largest share of them that are objects.
        background_iou: (least, below), IoU of background regions with the nearest object. A least
            IoU of 0.1 mines hard examples, as Fast R-CNN does.
        hard_examples: int or None: boxes and classes learn from so many of these regions only,
            those of highest loss (online hard example mining). The published numbers for it are
            regions_per_image=300, positive_fraction=1.0 and hard_examples=128.
        score_threshold: float in [0, 1]. Detections not above it are dropped.
        iou_threshold: float in [0, 1], above which boxes of a class suppress each other.
        max_detections: int, of an image.
    """

    num_classes: int
    image_size: int | tuple[int, int]
    class_names: tuple[str, ...] | None = None
    resize: str = "stretch"
    regions_per_image: int = 128
    positive_fraction: float = 0.25
    background_iou: tuple[float, float] = (0.0, 0.5)
    hard_examples: int | None = None
    score_threshold: float = 0.05
    iou_threshold: float = 0.5
    max_detections: int = 100

    def __post_init__(self):
        for name in ("num_classes", "regions_per_image", "max_detections", "hard_examples"):
            value = getattr(self, name)
            if name == "hard_examples" and value is None:
                continue
            if type(value) is not int or value < 1:
                raise ValueError(
                    f"`{name}` must be an integer of at least 1. Received: {name}={value!r}."
                )
        self.image_size = image_sides(self.image_size, smallest=32)
        names = self.class_names or [f"class_{index}" for index in range(self.num_classes)]
        self.class_names = tuple(str(name) for name in names)
        if len(self.class_names) != self.num_classes:
            raise ValueError(
                f"`class_names` must hold num_classes={self.num_classes} names. Received: "
                f"{len(self.class_names)} names: {list(self.class_names)[:5]}."
            )
        if self.resize not in _RESIZES:
            raise ValueError(
                f"`resize` must be one of {_RESIZES}. Received: resize={self.resize!r}."
            )
        for name in ("positive_fraction", "score_threshold", "iou_threshold"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"`{name}` must be in [0, 1]. Received: {name}={value!r}.")
        self.background_iou = tuple(float(edge) for edge in self.background_iou)
        if (
            len(self.background_iou) != 2
            or not 0 <= self.background_iou[0] < self.background_iou[1]
        ):
            raise ValueError(
                "`background_iou` must be (least, below) with 0 <= least < below. "
                f"Received: background_iou={self.background_iou}."
            )

    @property
    def sampling(self) -> Sampling:
        """How regions are drawn."""
        return Sampling(
            count=self.regions_per_image,
            positive_fraction=self.positive_fraction,
            background_iou=self.background_iou,
        )

    def get_config(self) -> dict:
        """The arguments as plain data."""
        config = dataclasses.asdict(self)
        for name in ("image_size", "class_names", "background_iou"):
            config[name] = list(config[name])
        return config
