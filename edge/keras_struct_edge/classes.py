"""Names and labels of classes, as every answer speaks of them."""

from collections.abc import Iterable

import numpy as np


def checked_names(class_names: Iterable[str]) -> tuple[str, ...]:
    """Return names as a tuple; a lone string, whose letters would become names, is an error."""
    if isinstance(class_names, str):
        raise ValueError(
            "`class_names` must be a tuple of names. "
            f"Received: class_names={class_names!r}. Write ({class_names!r},)."
        )
    return tuple(class_names)


def name_of(label: int, class_names: tuple[str, ...]) -> str:
    """The name of a label ("class 3" where the model has no names)."""
    return class_names[label] if class_names else f"class {label}"


def labels_of(classes: str | int | Iterable[str | int], class_names: tuple[str, ...]) -> list[int]:
    """The labels of one or several classes, given by names or labels.

    Raises:
        ValueError: if a class is unknown.
    """
    alone = isinstance(classes, str | int | np.integer)
    return [label_of(one, class_names) for one in ([classes] if alone else classes)]


def label_of(one: str | int, class_names: tuple[str, ...]) -> int:
    """The label of a class, given by its name or label.

    Raises:
        ValueError: if the class is unknown.
    """
    if isinstance(one, str) and one in class_names:
        return class_names.index(one)
    limit = len(class_names) or np.inf
    if isinstance(one, int | np.integer) and 0 <= one < limit:
        return int(one)
    raise ValueError(
        f"`classes` must be names or labels of this model's classes. Received: {one!r}. "
        f"Classes: {', '.join(class_names) or 'none have names, use labels'}."
    )
