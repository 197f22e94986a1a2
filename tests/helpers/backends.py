"""Which cases run under JAX too, where each new shape or option is compiled anew."""

import pytest


def first_under_jax(cases, count=1):
    """Parameters of a test, the first of which alone run under every backend."""
    return [
        pytest.param(case, marks=pytest.mark.agnostic) if index < count else case
        for index, case in enumerate(cases)
    ]
