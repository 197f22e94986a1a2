"""Tiny ONNX artefacts, built without TensorFlow, and data sets of which all is known.

One finds the same boxes whatever it sees; the other labels each pixel by its brightest channel.
"""

import json

import numpy as np

SIZE = 32
SHAPE_NAMES = ["circle", "square", "triangle", "star", "cross", "ring"]


def make_card(class_names, task="detection", results=("boxes", "scores", "labels")):
    return {
        "format": "keras_struct",
        "card_version": 1,
        "task": task,
        "model": "Toy",
        "backbone": "none",
        "class_names": list(class_names),
        "input": {
            "name": "images",
            "height": SIZE,
            "width": SIZE,
            "channels": 3,
            "layout": "NHWC",
            "dtype": "float32",
            "range": [0, 255],
            "resize": "stretch",
            "pad_value": 114,
        },
        "results": list(results),
        "max_detections": 2,
        "batch_size": 1,
        "target": "onnx",
        "precision": "float32",
        "versions": {},
    }


def write_toy(
    path,
    class_names=("red", "green"),
    boxes=((2.0, 2.0, 20.0, 24.0),),
    labels=(0,),
    details=None,
    **card,
):
    """Write an artefact that always finds `boxes` (xyxy pixels of a 32 x 32 input).

    `details` are further results, {"masks": (K, M, M), "keypoints": (K, J, 3)}; `card` adds to it.
    """
    from onnx import TensorProto, helper, numpy_helper

    details = {name: np.asarray(value, "float32")[None] for name, value in (details or {}).items()}

    boxes = np.asarray(boxes, "float32")[None]
    values = {
        "boxes_value": boxes,
        "scores_value": np.full(boxes.shape[:2], 0.9, "float32"),
        "labels": np.asarray(labels, "int32")[None],
    }
    # boxes and scores get 0 x (mean of the pixels) added, so that the input is really used.
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["boxes_value", "nothing"], ["boxes"]),
        helper.make_node("Add", ["scores_value", "nothing"], ["scores"]),
        helper.make_node("Identity", ["labels_value"], ["labels"]),
        *(helper.make_node("Identity", [f"{name}_value"], [name]) for name in details),
    ]
    values.update({f"{name}_value": value for name, value in details.items()})
    values["labels_value"] = values.pop("labels")
    values["zero"] = np.zeros((), "float32")
    count = boxes.shape[1]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, count, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, count]),
            helper.make_tensor_value_info("labels", TensorProto.INT32, [1, count]),
            *(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
                for name, value in details.items()
            ),
        ],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    results = ("boxes", "scores", "labels", *details)
    return _save(graph, {**make_card(class_names, results=results), **card}, path)


def write_toy_labels(path, class_names=("red", "green", "blue")):
    """Write an artefact whose class of a pixel is the channel that is brightest there."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ArgMax", ["images"], ["best"], axis=3, keepdims=0),
        helper.make_node("Cast", ["best"], ["segmentation"], to=TensorProto.INT32),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("segmentation", TensorProto.INT32, [1, SIZE, SIZE])],
    )
    return _save(graph, make_card(class_names, "segmentation", ["segmentation"]), path)


def _save(graph, card, path):
    import onnx
    from onnx import helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"keras_struct_card": json.dumps(card)})
    onnx.save(model, path)
    return path


class ToyDataset:
    """Images of 40 x 60 pixels that all hold the box the toy artefact finds."""

    class_names = ("red", "green")
    fields = ("bounding_boxes",)

    def __init__(self, count=3, box=(3.75, 2.5, 37.5, 30.0)):
        self.count, self.box = count, box

    def __len__(self):
        return self.count

    def read(self, index):
        rng = np.random.default_rng(index)
        return {"images": rng.integers(0, 256, (40, 60, 3)).astype("uint8")}

    def annotation(self, index):
        return {
            "image_id": index,
            "boxes": np.array([self.box], "float32"),
            "labels": np.array([0], "int32"),
        }


class ToyLabelMaps:
    """Images of 40 x 60 pixels, red on the left and green on the right of column 30.

    The annotation changes from red to green at `border`; the last row is ignored.
    """

    class_names = ("red", "green", "blue")
    fields = ("segmentation_masks",)

    def __init__(self, count=3, border=30):
        self.count, self.border = count, border

    def __len__(self):
        return self.count

    def read(self, index):
        image = np.zeros((40, 60, 3), "uint8")
        image[:, :30, 0] = image[:, 30:, 1] = 200 + index
        return {"images": image}

    def label_map(self, index):
        labels = np.zeros((40, 60), "uint8")
        labels[:, self.border :], labels[39] = 1, 255
        return labels
