"""Pairs of a box and a class in greedy's order: falling score; ties: lower box, then lower class.

The best pairs are found block by block. A block of n pairs comes from the n boxes whose best pairs
are best, so only their scores are looked at. Then the best score of each box is set to that of its
pairs behind the block: all scores are read once only, however many blocks follow.
"""

from typing import NamedTuple

import numpy as np
from keras import ops

X1, Y1, X2, Y2, AREA, LABEL, SCORE = COLUMNS = range(7)
_NO_SCORE = -1.0
_LAST_CODE = np.iinfo("int32").max


class Unread(NamedTuple):
    """The pairs behind the last one that was read. A pair's code is box * C + label."""

    best: object  # (B, A) float32, each box's best score, -1 if none is left
    score: object  # (B,) float32, of the pair read last
    code: object  # (B,) int32


def all_pairs(scores, threshold):
    """All pairs with a score above the threshold, as `Unread`."""
    batch = ops.shape(scores)[0]
    before_all = ops.full((batch,), np.inf, "float32"), ops.full((batch,), -1, "int32")
    return Unread(_best_scores(scores, threshold), *before_all)


def first_block(boxes, scores, size, threshold):
    """The best `size` pairs of all, (B, size, 7), if no other block is to follow."""
    best = _best_scores(scores, threshold)
    _, table, codes = _best_rows(scores, best, size, threshold)
    return _with_boxes(boxes, *_merge(table, codes, size), scores.shape[2])


def next_block(boxes, scores, unread, size, threshold):
    """The best `size` unread pairs, (B, size, 7), and what is unread without them."""
    num_boxes, num_classes = scores.shape[1:]
    row, table, codes = _best_rows(scores, unread.best, size, threshold)
    table = _behind(table, codes, unread)
    score, code = _in_order(table, codes, size)
    # not the last column: with another slice of what top_k gives, XLA sorts everything
    last = ops.min(score, axis=1)
    last_code = ops.max(ops.where(score == last[:, None], code, -1), axis=1)
    unread = Unread(ops.reshape(unread.best, (-1,)), last, last_code)
    rest = ops.reshape(ops.max(_behind(table, codes, unread), axis=2), (-1,))
    best = ops.scatter_update(unread.best, ops.reshape(row, (-1, 1)), rest)
    unread = unread._replace(best=ops.reshape(best, (-1, num_boxes)))
    return _with_boxes(boxes, score, code, num_classes), unread


def _best_scores(scores, threshold):
    num_boxes, num_classes = scores.shape[1:]
    scores = ops.reshape(scores, (-1, num_classes))
    best = ops.max(scores, axis=1)
    # on a CPU, XLA needs 2.5 times as long for the maximum of masked scores; NaN is rare
    best = ops.cond(
        ops.any(ops.isnan(best)),
        lambda: ops.max(_above(scores, threshold), axis=1),
        lambda: best,
    )
    return ops.reshape(_above(best, threshold), (-1, num_boxes))


def _above(scores, threshold):
    # `>` is false for NaN, which top_k might place first
    return ops.where(scores > threshold, scores, _NO_SCORE)


def _best_rows(scores, best, size, threshold):
    """The boxes with the best pairs, best first: rows of all scores, their scores, pair codes."""
    num_boxes, num_classes = scores.shape[1:]
    box = ops.cast(ops.top_k(best, min(size, num_boxes))[1], "int32")
    row = box + ops.arange(ops.shape(scores)[0], dtype="int32")[:, None] * num_boxes
    table = ops.take(ops.reshape(scores, (-1, num_classes)), row, axis=0)
    codes = box[:, :, None] * num_classes + ops.arange(num_classes, dtype="int32")
    return row, _above(table, threshold), codes


def _behind(table, codes, unread):
    """`table` (B, N, C) with the pairs that were read blanked."""
    score, code = unread.score[:, None, None], unread.code[:, None, None]
    tied = ops.logical_and(table == score, codes > code)
    return ops.where(ops.logical_or(table < score, tied), table, _NO_SCORE)


def _in_order(table, codes, size):
    """Scores and codes of the best pairs, (B, size), of a table whose rows fall by their maxima."""
    if table.shape[1] < size:
        return _merge(table, codes, size)
    best = ops.max(table, axis=2)

    def one_of_each_row():
        return best, ops.min(ops.where(table == best[:, :, None], codes, _LAST_CODE), axis=2)

    last = ops.maximum(ops.min(best, axis=1), 0.0)[:, None]
    good = ops.sum(ops.cast(table >= last[:, :, None], "int32"), axis=(1, 2))
    more = good > ops.sum(ops.cast(best >= last, "int32"), axis=1)
    return ops.cond(ops.any(more), lambda: _merge(table, codes, size), one_of_each_row)


def _merge(table, codes, size):
    """The same where a row can hold several of the best pairs."""
    count, num_classes = table.shape[1:]
    image = ops.arange(ops.shape(table)[0], dtype="int32")[:, None]
    # rows by rising box, because top_k gives ties to the earlier place
    row = ops.top_k(-ops.cast(codes[:, :, 0], "float32"), count)[1]
    row = ops.cast(row, "int32") + image * count
    table = ops.take(ops.reshape(table, (-1, num_classes)), row, axis=0)
    codes = ops.take(ops.reshape(codes, (-1, num_classes)), row, axis=0)
    score, place = ops.top_k(ops.reshape(table, (-1, count * num_classes)), size)
    place = ops.cast(place, "int32") + image * (count * num_classes)
    return score, ops.take(ops.reshape(codes, (-1,)), place)


def _with_boxes(boxes, score, code, num_classes):
    """The pairs with these scores and codes, (B, n): (B, n, 7)."""
    box = code // num_classes
    row = box + ops.arange(ops.shape(boxes)[0], dtype="int32")[:, None] * boxes.shape[1]
    corners = ops.take(ops.reshape(boxes, (-1, 4)), row, axis=0)
    x1, y1, x2, y2 = ops.unstack(corners, 4, axis=2)
    area = ops.maximum(x2 - x1, 0.0) * ops.maximum(y2 - y1, 0.0)
    label = ops.cast(code - box * num_classes, "float32")
    return ops.concatenate([corners, ops.stack([area, label, score], axis=2)], axis=2)
