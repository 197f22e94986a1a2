"""Learning rates of parts of a model."""

import re
from collections.abc import Mapping

import keras


def rate_factors(
    optimizer: keras.optimizers.Optimizer, factors: Mapping[str | keras.layers.Layer, float]
) -> keras.optimizers.Optimizer:
    """Let parts of a model train at a multiple of the optimizer's learning rate.

    Scaling gradients would do nothing under Adam, which divides by their size. Here the rate of
    each variable is multiplied, and with it its weight decay. A saved model keeps the factors.

    Args:
        optimizer: `Adam`, `AdamW` or `SGD` of Keras, not built yet. It is changed in place.
        factors: the parts, each with a float >= 0: a layer or model, or a regular expression found
            in `variable.path`. A variable that several match gets the first. 0 leaves a part as
            it is, at the price of training it.

    Returns:
        The same optimizer.

    Raises:
        ValueError: for another optimizer, a negative factor, or a part without variables; and
            (when it is built) if a part matches no trainable variable, or a layer's variable
            shares its path with one outside the layer.

    Example:
        optimizer = keras.optimizers.AdamW(1e-3, weight_decay=1e-4)
        model.compile(rate_factors(optimizer, {backbone: 0.1, "dense_crf/": 10.0}))
    """
    kind = _KINDS.get(type(optimizer))
    if kind is None or optimizer.built:
        raise ValueError(
            f"`optimizer` must be one of {[kind.__name__ for kind in _KINDS]}, and not built yet. "
            f"Received: {type(optimizer).__name__}, built={optimizer.built}."
        )
    optimizer.__class__ = kind
    optimizer.set_factors({_pattern(part): factor for part, factor in factors.items()})
    optimizer.owned = {
        _pattern(part): frozenset(id(variable) for variable in part.variables)
        for part in factors
        if not isinstance(part, str)
    }
    return optimizer


def _pattern(part):
    if isinstance(part, str):
        return part
    paths = sorted({re.escape(variable.path) for variable in part.variables})
    if not paths:
        raise ValueError(
            f"`factors` must name parts with variables. Received: {part.name!r}, which has none. "
            "Build it first."
        )
    return f"^(?:{'|'.join(paths)})$"


class _RateFactors:
    """Before an optimizer of Keras: the rate of each variable times its factor."""

    def __init__(self, *args, rate_factors=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.set_factors(rate_factors or {})
        self.owned = {}

    def set_factors(self, factors):
        for pattern, factor in factors.items():
            if not factor >= 0:
                raise ValueError(
                    f"`factors` must be numbers of at least 0. Received: {pattern!r}: {factor!r}."
                )
        self.rate_factors = {pattern: float(factor) for pattern, factor in factors.items()}

    def build(self, variables):
        # Keras builds an optimizer a second time when it is loaded.
        if not self.built:
            self.factors_by_position = [self._factor_for(variable) for variable in variables]
            self._check_all_used(variables)
        super().build(variables)

    def _factor_for(self, variable):
        for pattern, factor in self.rate_factors.items():
            if re.search(pattern, variable.path):
                if pattern in self.owned and id(variable) not in self.owned[pattern]:
                    raise ValueError(
                        "`factors` must tell variables apart by their path. Received: a layer "
                        f"whose variable {variable.path!r} has a namesake outside of it. Give "
                        "the layers different names."
                    )
                return factor
        return 1.0

    def _check_all_used(self, variables):
        for pattern in self.rate_factors:
            if not any(re.search(pattern, variable.path) for variable in variables):
                raise ValueError(
                    "`factors` must match variables that train. Received: "
                    f"{pattern[:100]!r}, which matches none of {len(variables)}, such as "
                    f"{[variable.path for variable in variables[:3]]}."
                )

    def _factor_of(self, variable):
        return self.factors_by_position[self._get_variable_index(variable)]

    def update_step(self, gradient, variable, learning_rate):
        factor = self._factor_of(variable)
        rate = learning_rate if factor == 1.0 else learning_rate * factor
        super().update_step(gradient, variable, rate)

    def _apply_weight_decay(self, variables):
        decay = self.weight_decay
        if decay is None:
            return
        groups = {}
        for variable in variables:
            groups.setdefault(self._factor_of(variable), []).append(variable)
        for factor, group in groups.items():
            self.weight_decay = decay * factor
            super()._apply_weight_decay(group)
        self.weight_decay = decay

    def get_config(self):
        return {**super().get_config(), "rate_factors": dict(self.rate_factors)}


@keras.saving.register_keras_serializable(package="keras_struct")
class FactoredAdam(_RateFactors, keras.optimizers.Adam):
    """`Adam` with `rate_factors`."""


@keras.saving.register_keras_serializable(package="keras_struct")
class FactoredAdamW(_RateFactors, keras.optimizers.AdamW):
    """`AdamW` with `rate_factors`."""


@keras.saving.register_keras_serializable(package="keras_struct")
class FactoredSGD(_RateFactors, keras.optimizers.SGD):
    """`SGD` with `rate_factors`."""


_KINDS = {
    keras.optimizers.Adam: FactoredAdam,
    keras.optimizers.AdamW: FactoredAdamW,
    keras.optimizers.SGD: FactoredSGD,
}
