import keras
import numpy as np
import pytest
from keras import ops

import keras_struct as ks

SIZE = 64
SMALL_BOXES = {"P3": ((12.0, 12.0), (20.0, 14.0)), "P4": ((28.0, 28.0),), "P5": ((48.0, 48.0),)}


def small_ssd(**options):
    options = {"pyramid": True, "default_boxes": SMALL_BOXES, **options}
    return ks.models.SSD("mobilenet_v2_035", num_classes=3, image_size=SIZE, **options)


@pytest.fixture(name="models", scope="module")
def one_of_each_loss():
    """For tests that do not mind other weights."""
    return {loss: small_ssd(loss=loss, class_names="abc") for loss in ("multibox", "focal")}


def tiny_backbone(name, image_size, *weights):
    """A convolution for each level: compilation takes as long as there are operations."""
    images = keras.Input((image_size, image_size, 3))
    x, levels = images / 128 - 1, {}
    for level in range(1, 6):
        x = keras.layers.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
        levels[f"P{level}"] = keras.layers.BatchNormalization()(x)
    return keras.Model(images, levels, name=name)


def batch(seed=0, count=4):
    """Bright rectangles on noise: enough to learn from four images."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 60, (count, SIZE, SIZE, 3)).astype("float32")
    boxes, labels = np.zeros((count, 3, 4), "float32"), np.full((count, 3), -1)
    for image in range(count):
        for index in range(2):
            x, y = rng.integers(0, 24, 2) + (index * 20, 0)
            w, h = rng.integers(10, 24, 2)
            label = int(rng.integers(3))
            images[image, y : y + h, x : x + w, label] = 255
            boxes[image, index], labels[image, index] = (x, y, x + w, y + h), label
    return images, {"bounding_boxes": {"boxes": boxes, "labels": labels}}


@pytest.mark.parametrize("size, boxes", [(300, 8732), (512, 24564)])
def test_published_network(size, boxes):
    model = ks.models.SSD("vgg16", num_classes=20, image_size=size)
    assert model.anchors.shape == (boxes, 4)
    assert model.output["box_deltas"].shape == (None, boxes, 4)
    assert model.output["class_logits"].shape == (None, boxes, 21)
    norm = model.get_layer("conv4_3_norm")
    np.testing.assert_array_equal(norm.get_weights()[0], np.full(512, 20.0, "float32"))


def test_mobilenet_v1_has_the_boxes_of_the_official_file():
    model = ks.models.SSD("mobilenet_v1_025", num_classes=90, image_size=300)
    assert model.anchors.shape == (1917, 4)


@pytest.mark.parametrize("backbone", ["mobilenet_v1_025", "mobilenet_v2_035", "mobilenet_v3_small"])
@pytest.mark.parametrize("pyramid", [False, True])
def test_light_backbones_predict_on_every_anchor(backbone, pyramid):
    model = ks.models.SSD(backbone, num_classes=2, image_size=160, pyramid=pyramid)
    assert model.output["box_deltas"].shape == (None, len(model.anchors), 4)
    levels = {"P3", "P4", "P5", "P6", "P7"} if pyramid else {f"P{i}" for i in range(4, 10)}
    names = {layer.name.split("_")[2] for layer in model.layers if "box_deltas_p" in layer.name}
    assert names == {level.lower() for level in levels}


def test_pyramid_at_odd_sizes_and_on_vgg16():
    model = ks.models.SSD("mobilenet_v2_035", num_classes=2, image_size=150, pyramid=True)
    assert len(model.anchors) == 6 * (19**2 + 10**2 + 5**2 + 3**2 + 2**2)
    vgg = ks.models.SSD("vgg16", num_classes=2, image_size=64, pyramid=True)
    assert len(vgg.anchors) == 6 * (8**2 + 4**2 + 2**2 + 1 + 1)


@pytest.mark.agnostic
@pytest.mark.parametrize("loss", ["multibox", "focal"])
def test_perfect_predictions_have_no_box_loss_and_decode_to_the_truth(models, loss):
    model = models[loss]
    truth = batch()[1]["bounding_boxes"]
    targets = ks.losses.assign_targets(truth, model.anchors)
    labels = ops.convert_to_numpy(targets["labels"])
    logits = np.full((*labels.shape, 3), -20.0, "float32")
    logits[labels >= 0, labels[labels >= 0]] = 20.0
    if loss == "multibox":
        background = np.where(labels >= 0, -20.0, 20.0)[..., None]
        logits = np.concatenate([background, logits], axis=-1)
    perfect = {"box_deltas": targets["deltas"], "class_logits": ops.convert_to_tensor(logits)}
    assert float(model.box_loss(targets, perfect)) < 1e-6
    assert float(model.class_loss(targets, perfect)) < 1e-4

    result = {k: ops.convert_to_numpy(v) for k, v in model.decoder()(perfect).items()}
    assert result["num_detections"].tolist() == (truth["labels"] >= 0).sum(axis=1).tolist()
    for image, count in enumerate(result["num_detections"]):
        got = sorted(zip(result["labels"][image], result["boxes"][image].tolist(), strict=True))
        real = sorted(zip(truth["labels"][image], truth["boxes"][image].tolist(), strict=True))
        np.testing.assert_array_equal([x[0] for x in got[-count:]], [x[0] for x in real[-count:]])
        np.testing.assert_allclose(
            [x[1] for x in got[-count:]], [x[1] for x in real[-count:]], atol=1e-2
        )


@pytest.mark.parametrize("loss, pulled", [("multibox", True), ("focal", False)])
def test_only_focal_leaves_out_anchors_that_almost_match(models, loss, pulled):
    """A high score there is the hardest negative of the one, and nothing to the other."""
    model = models[loss]
    boxes = {"boxes": np.float32([[[30, 30, 62, 58]]]), "labels": np.int32([[0]])}
    truth = {"bounding_boxes": boxes}
    labels = ks.losses.assign_targets(boxes, model.anchors, background_threshold=0.4)["labels"]
    near = ops.convert_to_numpy(labels)[0] == -2
    assert near.any()
    shapes = {name: (1, *x.shape[1:]) for name, x in zip(model.output, model.outputs, strict=True)}
    calm = {name: np.zeros(shape, "float32") for name, shape in shapes.items()}
    alarmed = {name: value.copy() for name, value in calm.items()}
    alarmed["class_logits"][:, near, -1] = 5.0
    values = [float(model.compute_loss(None, truth, dict(raw))) for raw in (calm, alarmed)]
    assert (values[0] != values[1]) == pulled


@pytest.mark.agnostic
def test_loss_falls_on_four_images(monkeypatch):
    monkeypatch.setattr(ks.backbones, "create", tiny_backbone)
    keras.utils.set_random_seed(0)
    model = small_ssd()
    model.compile(keras.optimizers.Adam(3e-3))
    losses = [model.train_on_batch(*batch(), return_dict=True)["loss"] for _ in range(25)]
    assert min(losses) < losses[0] / 4


def test_logs_carry_both_parts_and_they_sum_to_the_loss(models):
    model = models["multibox"]
    model.compile("sgd")
    logs = model.train_on_batch(*batch(), return_dict=True)
    assert logs["loss"] == pytest.approx(logs["box_loss"] + logs["class_loss"], rel=1e-5)
    evaluated = model.evaluate(*batch(1), verbose=0, return_dict=True)
    assert set(evaluated) == {"loss", "box_loss", "class_loss"}


def test_padding_does_not_change_the_loss(models):
    model = models["multibox"]
    model.compile("sgd")
    images, targets = batch()
    boxes = targets["bounding_boxes"]
    padded = {
        "boxes": np.pad(boxes["boxes"], ((0, 0), (0, 5), (0, 0))),
        "labels": np.pad(boxes["labels"], ((0, 0), (0, 5)), constant_values=-1),
    }
    one = model.evaluate(images, targets, verbose=0)
    two = model.evaluate(images, {"bounding_boxes": padded}, verbose=0)
    np.testing.assert_allclose(one, two, rtol=1e-5)


def test_compiled_step_equals_the_eager_one(monkeypatch):
    monkeypatch.setattr(ks.backbones, "create", tiny_backbone)
    images, targets = batch()
    losses = []
    for options in ({"jit_compile": True}, {"jit_compile": False}):
        keras.utils.set_random_seed(0)
        model = small_ssd()
        model.compile("sgd", **options)
        losses.append(model.train_on_batch(images, targets))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


@pytest.mark.agnostic
def test_saved_model_loads_without_custom_objects_and_without_the_backbone_file(tmp_path):
    options = {"loss": "focal", "resize": "letterbox", "iou_threshold": 0.6}
    model = small_ssd(class_names=["a", "b", "c"], **options)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    images, _ = batch()
    for name, value in model(images).items():
        np.testing.assert_allclose(loaded(images)[name], value, atol=1e-6)
    assert loaded.class_names == ("a", "b", "c") and loaded.resize == "letterbox"
    assert loaded.decoder().iou_threshold == 0.6
    assert loaded.decoder(iou_threshold=0.3).iou_threshold == 0.3
    np.testing.assert_array_equal(loaded.anchors, model.anchors)


def test_mixed_precision_predicts_and_decodes_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small_ssd()
        model.compile("sgd")
        assert np.isfinite(model.train_on_batch(*batch())).all()
        assert {value.dtype for value in model.output.values()} == {"float32"}
    finally:
        keras.config.set_dtype_policy("float32")


def test_card_says_what_the_device_must_know(models):
    card = models["multibox"].card()
    assert card["task"] == "detection" and card["class_names"] == ["a", "b", "c"]
    assert (card["input"]["height"], card["input"]["resize"]) == (SIZE, "stretch")
    assert set(card["results"]) == set(models["multibox"].with_decoder().output)


def test_catalog_builds_by_name():
    model = ks.models.create("ssd_mobilenet_v2_035", num_classes=2, image_size=96)
    assert isinstance(model, ks.models.SSD) and model.backbone_name == "mobilenet_v2_035"
    with pytest.raises(ValueError, match="`model` must be one of .*ssd_vgg16.*'yolo_v9'"):
        ks.models.create("yolo_v9")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"backbone": "alexnet"}, "`backbone` must be one of .*vgg16"),
        ({"num_classes": 0}, "`num_classes` must be an integer of at least 1"),
        ({"image_size": 8}, "`image_size` must be an integer of at least 32"),
        ({"loss": "mse"}, r"`loss` must be one of \('multibox', 'focal'\)"),
        ({"resize": "crop"}, r"`resize` must be one of \('stretch', 'letterbox'\)"),
        ({"iou_threshold": 45}, r"`iou_threshold` must be a number in \[0, 1\]"),
        ({"class_names": ["a"]}, "`class_names` must hold num_classes=3 names. Received: 1"),
        ({"default_boxes": "mine"}, "`default_boxes` must be 'published' or a dict"),
        ({"default_boxes": {"3": [(1, 1)]}}, "keyed by levels such as 'P3'"),
        ({"default_boxes": {"P3": [(1, -1)]}}, "pairs of positive pixels"),
        ({"default_boxes": {"P4": [(1, 1)], "P3": [(1, 1)]}}, "from the finest level"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        ks.models.SSD(
            **{"backbone": "mobilenet_v2_035", "num_classes": 3, "image_size": 64, **options}
        )
