"""COCO's average precision by its definition, for any overlap: slow loops, no library."""

import numpy as np

THRESHOLDS = [0.5 + 0.05 * k for k in range(10)]
RANGES = {"": (0, 1e10), "_small": (0, 1024), "_medium": (1024, 9216), "_large": (9216, 1e10)}


def mask_overlap(one, other, crowd):
    """IoU of two masks (H, W); of a crowd, the share of the detection `one` that lies in it."""
    one, other = np.asarray(one, bool), np.asarray(other, bool)
    inside = (one & other).sum()
    union = one.sum() if crowd else (one | other).sum()
    return inside / union if union else 0.0


def oks(found, true, area, box, sigmas):
    """Object keypoint similarity; of an object without any, the distance to its doubled box."""
    seen, total = true[:, 2] > 0, 0.0
    rows = [j for j in range(len(true)) if seen[j] or not seen.any()]
    for j in rows:
        x, y = found[j, :2]
        dx, dy = x - true[j, 0], y - true[j, 1]
        if not seen.any():
            width, height = box[2] - box[0], box[3] - box[1]
            dx = max(box[0] - width - x, 0, x - box[2] - width)
            dy = max(box[1] - height - y, 0, y - box[3] - height)
        total += np.exp(-(dx**2 + dy**2) / (2 * area * (2 * sigmas[j]) ** 2))
    return total / len(rows)


def average_precision(images, label, threshold, sizes, most=100):
    """AP of one class: precision at 101 recalls, detections matched best first.

    Args:
        images: dicts with "truth_labels", "truth_ignored", "truth_areas", "crowd" (N,),
            "labels", "scores", "areas" (K,) and "overlaps" (K, N).
        label: int.
        threshold: least overlap of a match.
        sizes: (least, largest) area that counts.
        most: detections of an image, class by class.
    """
    rows, wanted = [], 0
    for index, image in enumerate(images):
        truths = [j for j, c in enumerate(image["truth_labels"]) if c == label]
        outside = [not sizes[0] <= a <= sizes[1] for a in image["truth_areas"]]
        ignored = {j: bool(image["truth_ignored"][j] or outside[j]) for j in truths}
        wanted += sum(not ignored[j] for j in truths)
        found = [i for i, c in enumerate(image["labels"]) if c == label]
        found = sorted(found, key=lambda i: -image["scores"][i])[:most]
        taken = set()
        for i in found:
            match = _match(image, i, truths, ignored, taken, threshold)
            drop = not sizes[0] <= image["areas"][i] <= sizes[1]
            if match is not None:
                taken.add(match)
                drop = ignored[match]
            if not drop:
                rows.append((image["scores"][i], index, match is not None))
    if not wanted:
        return -1.0
    hits = [hit for *_, hit in sorted(rows, key=lambda row: -row[0])]
    precision = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits))]
    recall = [sum(hits[: k + 1]) / wanted for k in range(len(hits))]
    best = [
        max((p for p, r in zip(precision, recall, strict=True) if r >= at - 1e-12), default=0.0)
        for at in np.linspace(0, 1, 101)
    ]
    return float(np.mean(best))


def _match(image, i, truths, ignored, taken, threshold):
    """The object of most overlap; objects that count come before those that are ignored."""
    for kind in (False, True):
        free = [j for j in truths if ignored[j] == kind and (j not in taken or image["crowd"][j])]
        fitting = [j for j in free if image["overlaps"][i, j] >= min(threshold, 1 - 1e-10)]
        if fitting:
            return max(fitting, key=lambda j: (image["overlaps"][i, j], j))
    return None


def means(images, num_classes, sizes=RANGES[""], thresholds=THRESHOLDS, most=100):
    """Mean over thresholds of each class (num_classes,), and over the classes that have objects."""
    by_class = [
        np.mean([average_precision(images, c, t, sizes, most) for t in thresholds])
        for c in range(num_classes)
    ]
    defined = [value for value in by_class if value >= 0]
    return by_class, float(np.mean(defined)) if defined else -1.0
