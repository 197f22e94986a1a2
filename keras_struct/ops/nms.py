"""Greedy non-maximum suppression, exact and with static shapes.

A *pair* is one box seen as one class. Pairs are read in greedy's order (falling score; ties: lower
box, then lower class) in blocks of the best ones, and a block in windows. The pairs of a window
are first tested against those kept so far, then settled among themselves by

    keep <- free and not any(earlier in keep and overlapping)

Starting from keep = free, the iterates bound greedy's answer from above and from below in turn:
where two in a row agree, the answer is greedy's. Only the head of the window up to the first
disagreement is used, and the next window starts behind it: few iterations, no approximation.
Reading stops once enough is kept.
"""

from typing import NamedTuple

from keras import ops

from keras_struct.ops.pairs import (
    AREA,
    COLUMNS,
    LABEL,
    SCORE,
    X1,
    X2,
    Y1,
    Y2,
    all_pairs,
    first_block,
    next_block,
)

_BLOCK = 384  # of more, many are read in vain; of less, finding the boxes costs more


class Options(NamedTuple):
    """How to suppress; if `exhaustive`, `block`, `window` and `sweeps` change only the speed."""

    iou_threshold: float = 0.45
    score_threshold: float = 0.01
    max_detections: int = 200
    max_candidates: int | None = None
    max_per_class: int | None = None
    exhaustive: bool = True
    block: int | None = None
    window: int = 64
    sweeps: int = 4


class _Kept(NamedTuple):
    pairs: object  # (B, 7, K) float32, label -1 where still empty
    count: object  # (B,) int32
    read: object  # (B, C) float32, pairs read of each class; (B, 1) if that is not limited


def non_max_suppression(
    boxes,
    scores,
    *,
    iou_threshold=0.45,
    score_threshold=0.01,
    max_detections=200,
    max_candidates=None,
    max_per_class=None,
    exhaustive=True,
):
    """Keep the best boxes of every class and drop those that overlap a better one.

    Greedy suppression within each class, in the order of falling score (ties: lower box first,
    then lower class), exact for any number of candidates; the work grows with how many are read
    until `max_detections` are kept. A box can be detected as several classes. Compile it
    (`jit_compile=True`) where speed counts: on a CPU that is 2 to 5 times faster. On several
    cores, compile it for a part of the batch each (`benchmarks/nms.py`).

    Args:
        boxes: (B, A, 4) float32, xyxy, pixels. A box without area has IoU 0 with any other: it
            drops none and is never dropped. A < 2^24.
        scores: (B, A, C) float32 in [0, 1]. NaN counts as no score.
        iou_threshold: float in [0, 1]. A box is dropped when its IoU with a better kept box of
            its class is greater than this.
        score_threshold: float in [0, 1]. Only scores greater than this are candidates.
        max_detections: int, K, detections kept per image.
        max_candidates: int or None. Only that many best candidates of each class are read, as in
            SSD's `nms_top_k`.
        max_per_class: int or None. Detections kept per image and class.
        exhaustive: bool. False reads only the M best candidates of an image (M ~ sqrt(A * C),
            256 at least), and the exported graph is a fifth smaller. All returned is right, but
            if fewer than K of these M are kept and more candidates exist, the worse detections
            are missing.

    Returns:
        dict, by falling score: boxes (B, K, 4) float32, scores (B, K) float32, labels (B, K)
        int32, num_detections (B,) int32. Padding has label -1, score 0 and box 0.

    Raises:
        ValueError: if an argument is out of its range or the shapes do not fit.

    Example:
        >>> boxes = [[[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]]]
        >>> non_max_suppression(boxes, [[[0.9], [0.8], [0.7]]], max_detections=3)["labels"]
        [[0, 0, -1]]

    Source: greedy suppression as in Liu et al. 2016, arXiv:1512.02325, section 2.2.
    """
    options = Options(
        iou_threshold, score_threshold, max_detections, max_candidates, max_per_class, exhaustive
    )
    return suppress(boxes, scores, check_options(options))


def check_options(options):
    """Return `options` if each is in its range, or raise ValueError naming the one that is not."""
    for name in ("iou_threshold", "score_threshold"):
        value = getattr(options, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            rule = f"`{name}` must be a number in [0, 1]. Received: {name}={value!r}."
            raise ValueError(f"{rule} Give a fraction, not a percentage.")
    if not isinstance(options.exhaustive, bool):
        rule = f"`exhaustive` must be True or False. Received: exhaustive={options.exhaustive!r}."
        raise ValueError(f"{rule} Leave it out for the exact result.")
    for name in ("max_detections", "max_candidates", "max_per_class"):
        value, optional = getattr(options, name), name != "max_detections"
        if optional and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            rule = "a positive int" + optional * ", or None for no limit"
            raise ValueError(
                f"`{name}` must be {rule}. Received: {name}={value!r}. Give 1 or more."
            )
    return options


def suppress(boxes, scores, options):
    """`non_max_suppression` with its settings as one `Options`."""
    boxes = ops.convert_to_tensor(boxes, dtype="float32")
    scores = ops.convert_to_tensor(scores, dtype="float32")
    check_shapes(tuple(boxes.shape), tuple(scores.shape))
    kept = _nothing_kept(scores, options)
    if scores.shape[1] and scores.shape[2]:
        kept = _search(boxes, scores, kept, options)
    return {
        "boxes": ops.transpose(kept.pairs[:, :AREA], (0, 2, 1)),
        "scores": kept.pairs[:, SCORE],
        "labels": ops.cast(kept.pairs[:, LABEL], "int32"),
        "num_detections": kept.count,
    }


def check_shapes(boxes, scores):
    """Raise ValueError unless shapes (B, A, 4) and (B, A, C) are given."""
    if len(boxes) != 3 or boxes[2] != 4:
        raise ValueError(
            f"`boxes` must have shape (batch, boxes, 4). Received: boxes.shape={boxes}. "
            "Add a batch axis with `boxes[None]` if it is missing."
        )
    if len(scores) != 3 or scores[1] is None or scores[2] is None or scores[1] != boxes[1]:
        raise ValueError(
            "`scores` must have shape (batch, boxes, classes), known, as many boxes as `boxes`. "
            f"Received: scores.shape={scores}, boxes.shape={boxes}. Give one per box and class."
        )


def _nothing_kept(scores, options):
    batch = ops.shape(scores)[0]
    blank = ops.cast(ops.arange(len(COLUMNS)) == LABEL, "float32")[:, None] * -1.0
    pairs = ops.broadcast_to(blank, (batch, len(COLUMNS), options.max_detections))
    classes = scores.shape[2] if options.max_candidates else 1
    return _Kept(pairs, ops.zeros((batch,), "int32"), ops.zeros((batch, classes), "float32"))


def _search(boxes, scores, kept, options):
    total, threshold = scores.shape[1] * scores.shape[2], options.score_threshold
    if not options.exhaustive:
        size = min(options.block or _root(total), total)
        return _read_block(first_block(boxes, scores, size, threshold), kept, options)
    size = min(options.block or _BLOCK, total)

    def unfinished(unread, kept):
        more = ops.max(unread.best, axis=1) > threshold
        return ops.any(ops.logical_and(more, kept.count < options.max_detections))

    def read_next(unread, kept):
        block, unread = next_block(boxes, scores, unread, size, threshold)
        return unread, _read_block(block, kept, options)

    return ops.while_loop(unfinished, read_next, (all_pairs(scores, threshold), kept))[1]


def _root(total):
    size = 256
    while size * size < total:
        size += 256
    return size


def _read_block(block, kept, options):
    """Add to `kept` what greedy keeps of `block`; images that have enough stay as they are."""
    limit = ops.sum(ops.cast(block[:, :, SCORE] > options.score_threshold, "int32"), axis=1)

    def unfinished(start, kept):
        return ops.any(ops.logical_and(start < limit, kept.count < options.max_detections))

    def read_window(start, kept):
        stop = ops.where(kept.count < options.max_detections, limit, 0)
        window, inside = _window_at(start, stop, block, options.window)
        keep, head, read = _settle(window, inside, kept, options)
        settled = ops.cast(ops.sum(head, axis=1), "int32")
        return start + settled, _Kept(*_append(window, keep, kept, options), read)

    return ops.while_loop(unfinished, read_window, (ops.zeros_like(limit), kept))[1]


def _window_at(start, stop, block, length):
    size = block.shape[1]
    place = start[:, None] + ops.arange(length, dtype="int32")
    row = ops.arange(ops.shape(block)[0], dtype="int32")[:, None] * size
    flat = ops.reshape(block, (-1, len(COLUMNS)))
    window = ops.take(flat, ops.minimum(place, size - 1) + row, axis=0)
    return ops.transpose(window, (0, 2, 1)), ops.cast(place < stop[:, None], "float32")


def _settle(window, inside, kept, options):
    """Which pairs of the window greedy keeps: keep (B, W), its settled head (B, W), read (B, C)."""
    place = ops.arange(options.window, dtype="int32")
    before, alike = _hits(window, kept.pairs, options.iou_threshold)
    among, earlier = _hits(window, window, options.iou_threshold)
    triangle = _earlier(options.window)
    among, earlier = among * triangle, earlier * triangle
    read = kept.read
    if options.max_candidates:
        classes = ops.one_hot(ops.cast(window[:, LABEL], "int32"), read.shape[1])
        rank = ops.sum(classes * read[:, None, :], axis=2) + ops.sum(earlier, axis=2)
        inside = inside * ops.cast(rank < options.max_candidates, "float32")
    free = inside * ops.cast(ops.max(before, axis=2) < 0.5, "float32")
    previous, keep = None, free
    for _ in range(options.sweeps):
        hit = ops.matmul(among, keep[:, :, None])[:, :, 0]
        previous, keep = keep, free * ops.cast(hit < 0.5, "float32")
    first_open = ops.min(ops.where(keep == previous, options.window, place), axis=1)
    head = ops.cast(place < first_open[:, None], "float32")
    keep = keep * head
    if options.max_candidates:
        read = read + ops.sum(classes * (inside * head)[:, :, None], axis=1)
    if options.max_per_class:
        rank = ops.sum(alike, axis=2) + ops.sum(earlier * keep[:, None, :], axis=2)
        keep = keep * ops.cast(rank < options.max_per_class, "float32")
    return keep, head, read


def _earlier(length):
    place = ops.arange(length, dtype="int32")
    return ops.cast(place[:, None] > place[None, :], "float32")


def _hits(pairs, others, threshold):
    """Of (B, 7, N) and (B, 7, M): 1.0 where one drops the other, where classes are the same."""
    a = ops.unstack(pairs[:, :, :, None], len(COLUMNS), axis=1)
    b = ops.unstack(others[:, :, None, :], len(COLUMNS), axis=1)
    width = ops.minimum(a[X2], b[X2]) - ops.maximum(a[X1], b[X1])
    height = ops.minimum(a[Y2], b[Y2]) - ops.maximum(a[Y1], b[Y1])
    shared = ops.maximum(width, 0.0) * ops.maximum(height, 0.0)
    # two boxes without area give 0 / 0 = NaN, which is not above any threshold
    iou = shared / (a[AREA] + b[AREA] - shared)
    alike = ops.cast(a[LABEL] == b[LABEL], "float32")
    return ops.cast(iou > threshold, "float32") * alike, alike


def _append(window, keep, kept, options):
    """The first K of the kept pairs and of the window's, and their number."""
    capacity, length = options.max_detections, options.window
    place, slot = ops.arange(length, dtype="int32"), ops.arange(capacity, dtype="int32")[None, :]
    # a cumsum, but faster in XLA; transposed, an exported graph holds the one triangle only
    running = ops.matmul(keep, ops.transpose(_earlier(length))) + keep
    running = ops.cast(running, "int32")
    total = ops.minimum(kept.count + running[:, -1], capacity)
    # the window's n-th kept pair stands behind all places where less than n were kept
    passed = ops.sum(ops.cast(running[:, None, :] <= place[:, None], "int32"), axis=2)
    image = ops.arange(ops.shape(keep)[0], dtype="int32")[:, None]
    nth = ops.clip(slot - kept.count[:, None], 0, length - 1) + image * length
    fresh = ops.logical_and(slot >= kept.count[:, None], slot < total[:, None])
    source = ops.where(fresh, ops.take(ops.reshape(passed, (-1,)), nth) + capacity, slot)
    rows = ops.concatenate([kept.pairs, window], axis=2)
    row = ops.arange(ops.shape(keep)[0] * len(COLUMNS), dtype="int32") * rows.shape[2]
    source = source[:, None, :] + ops.reshape(row, (-1, len(COLUMNS), 1))
    return ops.take(ops.reshape(rows, (-1,)), source), total
