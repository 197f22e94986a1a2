"""Every labelling of a small factor graph, one after the other, in float64."""

import itertools

import numpy as np


def random_potentials(graph, rng, batch=2, scale=1.5):
    names = {1: "unary", 2: "pairwise"}
    found = {"unary": rng.normal(size=(batch, graph.num_variables, graph.num_states))}
    for order in graph.orders:
        shape = (graph.num_tables(order), *[graph.num_states] * order)
        first = batch if order % 2 else 1  # tables with and without a batch
        found[names.get(order, f"order{order}")] = rng.normal(size=(first, *shape))
    return {name: (scale * x).astype("float32") for name, x in found.items()}


def labellings(graph, mask=None):
    """All of them as tuples; variables that are left out stay at 0."""
    there = [True] * graph.num_variables if mask is None else mask
    ranges = [range(n if here else 1) for n, here in zip(graph.states, there, strict=True)]
    return list(itertools.product(*ranges))


def scores(graph, potentials, item, mask=None):
    """Score of every labelling of one item of the batch."""
    names = {1: "unary", 2: "pairwise"}
    there = [True] * graph.num_variables if mask is None else mask
    found = []
    for labels in labellings(graph, mask):
        total = sum(
            float(potentials["unary"][item, v, labels[v]])
            for v in range(graph.num_variables)
            if there[v]
        )
        for factor, table in zip(graph.factors, graph.tables, strict=True):
            if all(there[v] for v in factor):
                tables = potentials[names.get(len(factor), f"order{len(factor)}")]
                own = tables[item if len(tables) > 1 else 0, table]
                total += float(own[tuple(labels[v] for v in factor)])
        found.append(total)
    return np.array(found)


def marginals(graph, potentials, item, mask=None):
    """Log partition, (V, S) marginals, [table of each factor], entropy."""
    all_scores, all_labels = scores(graph, potentials, item, mask), labellings(graph, mask)
    log_partition = np.logaddexp.reduce(all_scores)
    shares = np.exp(all_scores - log_partition)
    unary = np.zeros((graph.num_variables, graph.num_states))
    factors = [np.zeros([graph.num_states] * len(factor)) for factor in graph.factors]
    for labels, share in zip(all_labels, shares, strict=True):
        for variable, label in enumerate(labels):
            unary[variable, label] += share
        for table, factor in zip(factors, graph.factors, strict=True):
            table[tuple(labels[v] for v in factor)] += share
    return log_partition, unary, factors, -np.sum(shares * np.log(shares))
