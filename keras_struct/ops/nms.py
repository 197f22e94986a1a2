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

_X1, _Y1, _X2, _Y2, _LABEL, _SCORE, _BOX = range(7)
_COLUMNS = 7
_NO_SCORE = -1.0


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
    pairs: object  # (B, K, 7) float32, label -1 where still empty
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
    (`jit_compile=True`) where speed counts: on a CPU that is 2 to 4 times faster.

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
            256 at least; half the exported graph). All returned is right, but if fewer than K of
            these M are kept and more candidates exist, the worse detections are missing.

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
        # `>` is false for NaN, which top_k might place first
        scores = ops.where(scores > options.score_threshold, scores, _NO_SCORE)
        kept = _search(boxes, scores, kept, options)
    return {
        "boxes": kept.pairs[:, :, :4],
        "scores": kept.pairs[:, :, _SCORE],
        "labels": ops.cast(kept.pairs[:, :, _LABEL], "int32"),
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
    blank = ops.cast(ops.arange(_COLUMNS) == _LABEL, "float32") * -1.0
    pairs = ops.broadcast_to(blank, (batch, options.max_detections, _COLUMNS))
    classes = scores.shape[2] if options.max_candidates else 1
    return _Kept(pairs, ops.zeros((batch,), "int32"), ops.zeros((batch, classes), "float32"))


def _search(boxes, scores, kept, options):
    total = scores.shape[1] * scores.shape[2]
    size = min(options.block or _block_size(total), total)
    # the first block stands before the loop: it needs no mask, and is mostly the only one
    block = _best_pairs(boxes, scores, size)
    kept = _read_block(block, kept, options)
    if size == total or not options.exhaustive:
        return kept

    def unfinished(last, pairs, count, read):
        more = last[:, _SCORE] > options.score_threshold
        return ops.any(ops.logical_and(more, count < options.max_detections))

    def read_next(last, *kept):
        block = _best_pairs(boxes, _pairs_after(last, scores), size)
        return block[:, -1], *_read_block(block, _Kept(*kept), options)

    return _Kept(*ops.while_loop(unfinished, read_next, (block[:, -1], *kept))[1:])


def _block_size(total):
    size = 256  # ~ the root: finding a block costs ~ total, reading it ~ size
    while size * size < total:
        size += 256
    return size


def _pairs_after(last, scores):
    """`scores` with all pairs blanked up to the pair `last`, (B, 7), in greedy's order."""
    _, num_boxes, num_classes = scores.shape
    score, box, label = (last[:, None, None, i] for i in (_SCORE, _BOX, _LABEL))
    row = ops.cast(ops.arange(num_boxes), "float32")[None, :, None]
    column = ops.cast(ops.arange(num_classes), "float32")[None, None, :]
    behind = ops.logical_or(row > box, ops.logical_and(row == box, column > label))
    after = ops.logical_or(scores < score, ops.logical_and(scores == score, behind))
    return ops.where(after, scores, _NO_SCORE)


def _best_pairs(boxes, scores, size):
    """The `size` best pairs, (B, size, 7), in greedy's order, from the `size` best boxes."""
    num_boxes, num_classes = scores.shape[1:]
    count = min(size, num_boxes)
    batch = ops.arange(ops.shape(boxes)[0], dtype="int32")[:, None]
    box = ops.cast(ops.top_k(ops.max(scores, axis=2), count)[1], "float32")
    # back to falling index, because the second top_k gives ties to the earlier place
    box = ops.cast(-ops.top_k(-box, count)[0], "int32")
    table = ops.take(ops.reshape(scores, (-1, num_classes)), box + batch * num_boxes, axis=0)
    score, pair = ops.top_k(ops.reshape(table, (-1, count * num_classes)), size)
    place = pair // num_classes
    label = pair - place * num_classes
    box = ops.take(ops.reshape(box, (-1,)), place + batch * count, axis=0)
    corners = ops.take(ops.reshape(boxes, (-1, 4)), box + batch * num_boxes, axis=0)
    columns = [ops.cast(c, "float32")[:, :, None] for c in (label, score, box)]
    return ops.concatenate([corners, *columns], axis=2)


def _read_block(block, kept, options):
    """Add to `kept` what greedy keeps of `block`; images that have enough stay as they are."""
    limit = ops.sum(ops.cast(block[:, :, _SCORE] > options.score_threshold, "int32"), axis=1)

    def unfinished(start, pairs, count, read):
        return ops.any(ops.logical_and(start < limit, count < options.max_detections))

    def read_window(start, *kept):
        kept = _Kept(*kept)
        stop = ops.where(kept.count < options.max_detections, limit, 0)
        window, inside = _window_at(start, stop, block, options.window)
        table = ops.concatenate([kept.pairs, window], axis=1)
        keep, head, read = _settle(window, table, inside, kept, options)
        settled = ops.cast(ops.sum(head, axis=1), "int32")
        return start + settled, *_append(table, keep, kept.count, options), read

    return _Kept(*ops.while_loop(unfinished, read_window, (ops.zeros_like(limit), *kept))[1:])


def _window_at(start, stop, block, length):
    size = block.shape[1]
    place = start[:, None] + ops.arange(length, dtype="int32")
    row = ops.arange(ops.shape(block)[0], dtype="int32")[:, None] * size
    flat = ops.reshape(block, (-1, _COLUMNS))
    window = ops.take(flat, ops.minimum(place, size - 1) + row, axis=0)
    return window, ops.cast(place < stop[:, None], "float32")


def _settle(window, table, inside, kept, options):
    """Which pairs of the window greedy keeps: keep (B, W), its settled head (B, W), read (B, C)."""
    place = ops.arange(options.window, dtype="int32")
    earlier = ops.cast(place[:, None] > place[None, :], "float32")
    same = ops.cast(window[:, :, None, _LABEL] == table[:, None, :, _LABEL], "float32")
    hits = _overlaps(window, table, options.iou_threshold) * same
    before, among = hits[:, :, : -options.window], hits[:, :, -options.window :] * earlier
    read, alike = kept.read, same[:, :, -options.window :]
    if options.max_candidates:
        classes = ops.one_hot(ops.cast(window[:, :, _LABEL], "int32"), read.shape[1])
        rank = ops.sum(classes * read[:, None, :], axis=2) + ops.sum(alike * earlier, axis=2)
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
        rank = ops.sum(same[:, :, : -options.window], axis=2)
        rank = rank + ops.sum(alike * earlier * keep[:, None, :], axis=2)
        keep = keep * ops.cast(rank < options.max_per_class, "float32")
    return keep, head, read


def _overlaps(boxes, others, threshold):
    """1.0 where the IoU of (B, N, 7) and (B, M, 7) is above `threshold`, else 0.0: (B, N, M)."""
    a = [boxes[:, :, None, i] for i in range(4)]
    b = [others[:, None, :, i] for i in range(4)]
    width = ops.minimum(a[_X2], b[_X2]) - ops.maximum(a[_X1], b[_X1])
    height = ops.minimum(a[_Y2], b[_Y2]) - ops.maximum(a[_Y1], b[_Y1])
    shared = ops.maximum(width, 0.0) * ops.maximum(height, 0.0)
    # two boxes without area give 0 / 0 = NaN, which is not above any threshold
    iou = shared / (_area(a) + _area(b) - shared)
    return ops.cast(iou > threshold, "float32")


def _area(box):
    return ops.maximum(box[_X2] - box[_X1], 0.0) * ops.maximum(box[_Y2] - box[_Y1], 0.0)


def _append(table, keep, count, options):
    """The first K of the kept pairs and of the window's, both in `table`, and their number."""
    capacity = options.max_detections
    running = ops.cumsum(keep, axis=1)
    total = ops.minimum(count + ops.cast(running[:, -1], "int32"), capacity)
    slot = ops.arange(capacity, dtype="int32")[None, :]
    # the window's n-th kept pair stands behind all places where less than n were kept
    nth = ops.cast(slot - count[:, None], "float32")
    passed = ops.cast(running[:, None, :] <= nth[:, :, None], "int32")
    fresh = ops.logical_and(slot >= count[:, None], slot < total[:, None])
    source = ops.where(fresh, capacity + ops.sum(passed, axis=2), slot)
    row = ops.arange(ops.shape(table)[0], dtype="int32")[:, None] * table.shape[1]
    return ops.take(ops.reshape(table, (-1, _COLUMNS)), source + row, axis=0), total
