"""Whether a tensor's value is at hand or the tensor is part of a graph being traced."""

import operator


def known_int(value) -> int | None:
    """The value of a scalar integer tensor; None inside a compiled function."""
    try:
        # Not int(): AutoGraph would make a cast of it.
        return operator.index(value)
    except TypeError:
        return None
