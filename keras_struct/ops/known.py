"""Whether a tensor's value is at hand or the tensor is part of a graph being traced."""


def known_int(value) -> int | None:
    """The value of a scalar integer tensor; None inside a compiled function."""
    try:
        return int(value)
    except TypeError:
        return None
