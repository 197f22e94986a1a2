"""Checks of SSD's arguments, before any layer is built."""

from keras_struct.backbones.backbone import check_name

_LOSSES = ("multibox", "focal")
_RESIZES = ("stretch", "letterbox")


def check_arguments(
    backbone, num_classes, image_size, class_names, default_boxes, loss, resize
) -> tuple[str, ...]:
    """Raise a ValueError naming the first argument that does not fit; return the class names."""
    check_name(backbone)
    _check_integer("num_classes", num_classes, 1)
    _check_integer("image_size", image_size, 32)
    _check_choice("loss", loss, _LOSSES)
    _check_choice("resize", resize, _RESIZES)
    _check_boxes(default_boxes)
    if class_names is None:
        return tuple(f"class_{index}" for index in range(num_classes))
    if len(class_names) != num_classes:
        raise ValueError(
            f"`class_names` must hold num_classes={num_classes} names. "
            f"Received: {len(class_names)} names: {list(class_names)[:5]}."
        )
    return tuple(str(name) for name in class_names)


def _check_integer(name, value, smallest):
    if not isinstance(value, int) or value < smallest:
        raise ValueError(
            f"`{name}` must be an integer of at least {smallest}. Received: {name}={value!r}."
        )


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {choices}. Received: {name}={value!r}.")


def _check_boxes(boxes):
    if boxes == "published":
        return
    problem = None
    if not isinstance(boxes, dict) or not boxes:
        problem = "a dict of levels"
    elif not all(key[:1] == "P" and key[1:].isdigit() for key in boxes):
        problem = "keyed by levels such as 'P3'"
    elif any(len(size) != 2 or min(size) <= 0 for sizes in boxes.values() for size in sizes):
        problem = "made of (width, height) pairs of positive pixels"
    elif list(boxes) != sorted(boxes, key=lambda key: int(key[1:])):
        problem = "ordered from the finest level to the coarsest"
    if problem:
        raise ValueError(
            f"`default_boxes` must be 'published' or {problem}. Received: default_boxes={boxes!r}. "
            "`fit_default_boxes` makes them from a data set."
        )
