"""Mean field inference with Gaussian pairwise terms."""

from keras import ops


def mean_field(logits, kernels, energies=None, iterations: int = 10):
    """Refine the beliefs of all variables in parallel, a given number of times.

    Q starts as softmax(U). Each iteration filters it with every kernel k, weighs the results,
    lets the labels pay for each other and adds the unary potentials U again:

        Q <- softmax(U - E sum_k w_k (K_k Q))

    Args:
        logits: (..., S) float32, unary potentials U, log space, higher is better.
        kernels: pairs (smooth, weight). `smooth` is a linear function of beliefs (..., S), weight
            a scalar or (S,).
        energies: what a label l pays for a label m nearby, E[l, m] of (S, S); a vector (S,) for
            the diagonal of it; or None for the Potts model, 1 for any two different labels. It is
            taken as -1 for equal ones, which differs by the same number for all labels only.
        iterations: int >= 0.

    Returns:
        (..., S), logits whose softmax is Q.

    Source: Kraehenbuehl and Koltun 2011, arXiv:1210.5644, algorithm 1.
    """
    refined = logits
    for _ in range(iterations):
        beliefs = ops.softmax(refined, axis=-1)
        messages = sum(weight * smooth(beliefs) for smooth, weight in kernels)
        refined = logits - _paid(messages, energies)
    return refined


def _paid(messages, energies):
    if energies is None:
        return -messages
    if len(energies.shape) == 1:
        return energies * messages
    return ops.matmul(messages, ops.transpose(energies))
