"""Runs pydensecrf for `dense_crf.py`, in an environment that need not have anything else of ours.

Reads one request a line from stdin, JSON {"case": .npz with image and logits, "iterations",
"kernels": [sxy, weight, sxy, srgb, weight], "result": .npy or null}; answers with its seconds,
{"wall", "set-up", "cpu"}.
"""

import json
import sys
import time

import numpy as np
from pydensecrf import densecrf


def run(image, logits, iterations, kernels):
    """(H, W, C) beliefs, and the seconds it took."""
    near, near_weight, far, colours, alike_weight = kernels
    height, width, labels = logits.shape
    wall, cpu = time.perf_counter(), time.process_time()
    model = densecrf.DenseCRF2D(width, height, labels)
    model.setUnaryEnergy(-np.ascontiguousarray(logits.reshape(-1, labels).T))
    model.addPairwiseGaussian(sxy=near, compat=near_weight)
    model.addPairwiseBilateral(sxy=far, srgb=colours, rgbim=image, compat=alike_weight)
    ready = time.perf_counter()
    beliefs = np.asarray(model.inference(iterations))
    end = time.perf_counter()
    times = {"wall": end - wall, "set-up": ready - wall, "cpu": time.process_time() - cpu}
    return beliefs.T.reshape(logits.shape), times


def main():
    name, image, logits = None, None, None
    for line in sys.stdin:
        request = json.loads(line)
        if request["case"] != name:
            name = request["case"]
            with np.load(name) as case:
                image, logits = case["image"], case["logits"]
        beliefs, times = run(image, logits, request["iterations"], request["kernels"])
        if request["result"]:
            np.save(request["result"], beliefs)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
