"""What a factor graph is: variables with a number of states, factors over some of them."""

import numpy as np


class FactorGraph:
    """Variables, each with its number of states, and factors that tie some of them together.

    Every variable has a unary potential; factors are over two variables or more. Factors of one
    order that have the same number in `tables` share a table of potentials, such as all
    neighbours in a chain; potentials then hold as many tables of this order as there are numbers.

    Args:
        states: int for each variable, its number of states.
        factors: tuple of variables for each factor, of two or more different ones. Axes of its
            table are in this order.
        tables: int for each factor, which table of its order it reads, or None for one each.

    Attributes:
        states: (V,) ints.
        num_variables: int, V.
        num_states: int, S, the most states of a variable; tables have S entries on every axis.
        orders: ints above 1 that factors have, ascending.

    Raises:
        ValueError: for states or factors that are none.

    Example:
        graph = FactorGraph([3, 3, 2], [(0, 1), (1, 2)])
        graph.scopes(2)  # [[0, 1], [1, 2]]
    """

    def __init__(self, states, factors=(), tables=None):
        self.states = tuple(_whole(states, "states", 1))
        self.factors = tuple(tuple(_whole(factor, "factors", 0)) for factor in factors)
        for factor in self.factors:
            _check_factor(factor, len(self.states))
        self.tables = self._own_tables() if tables is None else tuple(_whole(tables, "tables", 0))
        if len(self.tables) != len(self.factors):
            raise ValueError(
                "`tables` must hold a number for each factor. Received: "
                f"{len(self.tables)} numbers for {len(self.factors)} factors."
            )
        self.num_variables = len(self.states)
        self.num_states = max(self.states, default=0)
        self.orders = tuple(sorted({len(factor) for factor in self.factors}))
        for order in self.orders:
            self._check_tables(order)

    def scopes(self, order=2):
        """Variables of the factors of an order, (F, order) int32."""
        found = [factor for factor in self.factors if len(factor) == order]
        return np.array(found, "int32").reshape(-1, order)

    def tables_of(self, order=2):
        """Table of each factor of an order, (F,) int32."""
        pairs = zip(self.factors, self.tables, strict=True)
        return np.array([table for factor, table in pairs if len(factor) == order], "int32")

    def num_tables(self, order=2):
        """Tables of potentials that factors of an order read."""
        return int(self.tables_of(order).max(initial=-1)) + 1

    def state_mask(self):
        """(V, S) bool, whether a variable has a state."""
        return np.arange(self.num_states)[None] < np.array(self.states)[:, None]

    def neighbours(self):
        """For each variable the set of those it shares a factor with."""
        found = [set() for _ in self.states]
        for factor in self.factors:
            for variable in factor:
                found[variable].update(factor)
        return [around - {variable} for variable, around in enumerate(found)]

    def is_forest(self):
        """Whether no walk over different factors comes back to where it began."""
        parent = list(range(self.num_variables + len(self.factors)))

        def root(node):
            while parent[node] != node:
                parent[node] = parent[parent[node]]
                node = parent[node]
            return node

        for index, factor in enumerate(self.factors):
            for variable in factor:
                one, other = root(self.num_variables + index), root(variable)
                if one == other:
                    return False
                parent[one] = other
        return True

    def get_config(self):
        """The arguments as plain data."""
        return {
            "states": list(self.states),
            "factors": [list(factor) for factor in self.factors],
            "tables": list(self.tables),
        }

    @classmethod
    def from_config(cls, config):
        """Rebuild from `get_config`."""
        return cls(**config)

    def __eq__(self, other):
        return isinstance(other, FactorGraph) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((self.states, self.factors, self.tables))

    def __repr__(self):
        return f"FactorGraph({self.num_variables} variables, {len(self.factors)} factors)"

    def _own_tables(self):
        seen, tables = {}, []
        for factor in self.factors:
            tables.append(seen.get(len(factor), 0))
            seen[len(factor)] = tables[-1] + 1
        return tuple(tables)

    def _check_tables(self, order):
        used = set(self.tables_of(order).tolist())
        if used != set(range(len(used))):
            raise ValueError(
                "`tables` must number the tables of an order from 0 without a gap. Received: "
                f"{sorted(used)} for order {order}."
            )


def _whole(values, name, least):
    try:
        found = [int(value) for value in values if int(value) == value]
    except (TypeError, ValueError):
        found = None
    if found is None or len(found) != len(values) or any(value < least for value in found):
        raise ValueError(
            f"`{name}` must be whole numbers of at least {least}. Received: {name}={values!r}."
        )
    return found


def _check_factor(factor, num_variables):
    if len(factor) < 2 or len(set(factor)) != len(factor) or max(factor) >= num_variables:
        raise ValueError(
            f"`factors` must each tie two or more different variables below {num_variables}. "
            f"Received: {factor}."
        )
