"""Models by name, for the command line and configuration files."""

from keras_struct import backbones
from keras_struct.models.ssd import SSD

_FAMILIES = {"ssd": SSD}


def names() -> list[str]:
    """Names that `create` takes: FAMILY_BACKBONE."""
    return [
        f"{family}_{backbone}" for family in sorted(_FAMILIES) for backbone in backbones.names()
    ]


def create(name, **options):
    """Build a model by name, e.g. `create("ssd_mobilenet_v2", num_classes=3)`.

    Args:
        name: one of `names()`.
        **options: arguments of the family's class (`SSD`) after the backbone.

    Returns:
        The model.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in names():
        raise ValueError(f"`model` must be one of {', '.join(names())}. Received: model={name!r}.")
    family, backbone = name.split("_", 1)
    return _FAMILIES[family](backbone, **options)
