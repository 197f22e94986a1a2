import keras
import numpy as np
import pytest
from keras import ops

from keras_struct import models
from keras_struct.models.region_based.detector import Parts, RegionDetector
from keras_struct.ops.region_sampling import Sampling

SIZE = 64
SMALL = {"anchor_scales": (2, 4), "num_proposals": (40, 12), "regions_per_image": 8}
PYRAMID = {**SMALL, "width": 16, "units": 24, "canonical_size": 64}


def faster(**options):
    return models.FasterRCNN("mobilenet_v2_035", 3, SIZE, **{**PYRAMID, **options})


def with_masks(**options):
    heads = {"mask_width": 8, "keypoint_width": 8, **PYRAMID, **options}
    return models.MaskRCNN("mobilenet_v2_035", 3, SIZE, **heads)


def batch(count=2, boxes=3, joints=0, seed=0):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 40, (count, boxes, 2))
    found = np.concatenate([low, low + rng.uniform(10, 24, low.shape)], -1).astype("float32")
    labels = rng.integers(0, 3, (count, boxes)).astype("int32")
    labels[0, -1], found[0, -1] = -1, 0
    truth = {"bounding_boxes": {"boxes": found, "labels": labels}}
    masks = np.zeros((count, boxes, SIZE, SIZE), "uint8")
    for i in np.ndindex(count, boxes):
        x1, y1, x2, y2 = found[i].astype(int)
        masks[i][y1:y2, x1:x2] = 1
    truth["instance_masks"] = masks
    share = rng.uniform(size=(count, boxes, joints, 2))
    points = found[:, :, None, :2] + share * (found[:, :, None, 2:] - found[:, :, None, :2])
    truth["keypoints"] = np.concatenate([points, np.full((*points.shape[:3], 1), 2.0)], -1)
    images = rng.uniform(0, 255, (count, SIZE, SIZE, 3)).astype("float32")
    return images, truth


def loss_of(model, images, truth):
    truth = {name: value for name, value in truth.items() if name in model.fields}
    raw = dict(model(images))
    loss = model.compute_loss(images, truth, raw, training=False)
    return float(loss), {part.name: np.mean(raw[part.name]) for part in model.loss_parts}


def random_heads(model, seed=0):
    """Predictors start almost at zero: larger weights make results differ."""
    rng = np.random.default_rng(seed)
    for weight in model.box_branch.weights[-4:]:
        weight.assign(rng.normal(size=weight.shape, scale=0.3))
    return model


def test_losses_are_those_of_the_heads_it_has():
    model = with_masks(num_keypoints=4)
    total, parts = loss_of(model, *batch(joints=4))
    assert list(parts) == [
        *("rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss"),
        "keypoint_loss",
    ]
    assert np.isclose(total, sum(parts.values()), rtol=1e-5)
    # at first all classes, mask pixels and cells are equally likely
    assert parts["class_loss"] == pytest.approx(np.log(4), abs=0.05)
    assert parts["mask_loss"] == pytest.approx(np.log(2), abs=0.01)
    assert parts["keypoint_loss"] == pytest.approx(np.log(56 * 56), abs=0.05)
    assert model.fields == ("bounding_boxes", "instance_masks", "keypoints")
    assert model.card()["results"][-2:] == ["masks", "keypoints"]


def test_fit_lowers_every_loss_on_one_image():
    images, truth = batch(1, boxes=2, seed=4)
    truth["bounding_boxes"]["labels"][:] = [[0, 2]]
    truth["bounding_boxes"]["boxes"][:] = [[4, 6, 34, 30], [30, 36, 60, 62]]
    images[:] = 120
    images[0, 6:30, 4:34], images[0, 36:62, 30:60] = (250, 40, 40), (40, 60, 250)
    model = faster()
    model.compile(keras.optimizers.Adam(1e-3))
    truth = {"bounding_boxes": truth["bounding_boxes"]}
    history = model.fit(images, truth, batch_size=1, epochs=40, verbose=0).history
    for name in ("rpn_class_loss", "class_loss", "loss"):
        assert np.mean(history[name][-5:]) < 0.5 * history[name][0], name


def test_no_gradient_goes_through_the_proposals():
    import tensorflow as tf

    model = random_heads(faster())
    images, truth = batch()
    with tf.GradientTape() as tape:
        raw = dict(model(images))
        model.compute_loss(images, truth, raw)
        heads = tf.reduce_sum(raw["class_loss"] + raw["box_loss"])
    rpn = [weight for weight in model.trainable_weights if weight.path.startswith("rpn_")]
    assert len(rpn) == 6
    gradients = tape.gradient(heads, [weight.value for weight in rpn])
    assert all(gradient is None or not np.any(gradient) for gradient in gradients)


def test_with_its_own_proposals_frozen_it_is_fast_rcnn():
    ours = random_heads(faster())
    images, _ = batch()
    proposals = ours.proposer.propose(ours(images))
    fast = models.FastRCNN(
        *("mobilenet_v2_035", 3, SIZE),
        num_proposals=12,
        neck="pyramid",
        region_features="align",
        width=16,
        units=24,
    )
    fast.box_branch.features.canonical_size = 64
    own = {weight.path: weight for weight in ours.weights}
    assert set(own) > {weight.path for weight in fast.weights}
    for weight in fast.weights:
        weight.assign(own[weight.path])
    found = fast.with_decoder()({"images": ops.convert_to_tensor(images), "proposals": proposals})
    expected = ours.with_decoder()(images)
    assert int(ops.sum(expected["num_detections"])) > 4
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


def test_without_its_heads_mask_rcnn_is_faster_rcnn():
    plain, masked = faster(), with_masks(masks=False)
    assert [w.path for w in plain.weights] == [w.path for w in masked.weights]
    for ours, theirs in zip(masked.weights, plain.weights, strict=True):
        ours.assign(theirs)
    images, truth = batch()
    assert loss_of(plain, images, truth) == loss_of(masked, images, truth)


@pytest.mark.parametrize("kind", ["mask", "single", "rfcn", "rfcn_align"])
def test_a_saved_model_gives_the_same(kind, tmp_path):
    if kind == "mask":
        model = with_masks(num_keypoints=2)
    elif kind == "single":
        model = models.MaskRCNN("mobilenet_v2_035", 3, SIZE, neck="single", mask_width=8, **SMALL)
    else:
        reader = "align" if kind == "rfcn_align" else "pool"
        model = models.RFCN("mobilenet_v2_035", 3, SIZE, width=16, region_features=reader, **SMALL)
    images, truth = batch(joints=2)
    assert np.isfinite(loss_of(model, images, truth)[0])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    first, second = model.with_decoder()(images), again.with_decoder()(images)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_spp_net_trains_only_what_is_behind_its_pools():
    model = models.SPPNet("mobilenet_v2_035", 3, SIZE, num_proposals=10, units=16)
    assert {weight.path.split("/")[0] for weight in model.trainable_weights} == {"box_branch"}
    assert model.fields == ("bounding_boxes", "proposals")
    images, truth = batch()
    proposals = np.tile(np.array([[0, 0, 30, 30], [10, 10, 60, 50]] * 5, "float32"), (2, 1, 1))
    raw = dict(model({"images": images, "proposals": proposals}))
    assert np.isfinite(float(model.compute_loss(None, truth, raw, training=False)))
    result = model.with_decoder()({"images": images, "proposals": proposals})
    assert result["boxes"].shape == (2, 100, 4)


def test_the_published_network_has_its_parameters():
    model = models.FasterRCNN("vgg16", 20, (224, 320), num_proposals=(50, 10))
    convolutions, dense = 14_714_688, 7 * 7 * 512 * 4096 + 4096 + 4096 * 4096 + 4096
    rpn = 3 * 3 * 512 * 512 + 512 + (512 + 1) * 9 * (1 + 4)
    heads = (4096 + 1) * (21 + 20 * 4)
    assert model.count_params() == convolutions + dense + rpn + heads
    assert model.proposer.anchors.shape == (14 * 20 * 9, 4)


def test_a_ragged_number_of_objects_and_none_at_all():
    model = with_masks()
    images, truth = batch()
    truth["bounding_boxes"]["labels"][:] = -1
    total, parts = loss_of(model, images, truth)
    assert parts["mask_loss"] == parts["box_loss"] == parts["rpn_box_loss"] == 0
    assert np.isfinite(total) and parts["class_loss"] > 0


def test_hard_examples_are_a_part_of_the_regions_and_the_worst():
    model, (images, truth) = random_heads(faster()), batch()
    easy = loss_of(model, images, truth)[1]
    model.options.hard_examples = 2
    hard = loss_of(model, images, truth)[1]
    assert hard["rpn_class_loss"] == easy["rpn_class_loss"]
    assert hard["class_loss"] + hard["box_loss"] > easy["class_loss"] + easy["box_loss"]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"neck": "funnel"}, "`neck` must be one of"),
        ({"region_features": "crop"}, "`region_features` must be one of"),
        ({"regions_per_image": 0}, "`regions_per_image` must be an integer"),
        ({"hard_examples": 0}, "`hard_examples` must be an integer"),
        ({"anchor_scales": 4}, "`anchor_scales` must be a list of numbers"),
        ({"anchor_ratios": (1.0, -2.0)}, "`anchor_ratios` must be a list of numbers"),
        ({"num_proposals": 300}, "`num_proposals` must be .in training, at rest."),
        ({"num_decoded": (600, 300.5)}, "`num_decoded` must be .in training, at rest."),
        ({"background_iou": (0.5, 0.1)}, "`background_iou` must be"),
        ({"class_names": ["a"]}, "`class_names` must hold num_classes=3"),
        ({"iou_threshold": 2}, "`iou_threshold` must be in"),
        ({"resize": "crop"}, "`resize` must be one of"),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        faster(**options)


def test_backbones_that_do_not_fit():
    with pytest.raises(ValueError, match="`neck` must be 'single' with vgg16"):
        models.FasterRCNN("vgg16", 3, SIZE, neck="pyramid")
    with pytest.raises(ValueError, match="`backbone` must be one of"):
        models.RFCN("vgg16", 3, SIZE)
    with pytest.raises(ValueError, match="`num_keypoints` must be"):
        with_masks(num_keypoints=-1)
    with pytest.raises(ValueError, match="`num_proposals` must be"):
        models.FastRCNN("mobilenet_v2_035", 3, SIZE, num_proposals=0)


def test_the_numbers_of_fast_rcnn_are_the_defaults():
    assert Sampling().most_positive == 32 and Sampling().positive_iou == 0.5
    assert issubclass(models.FastRCNN, RegionDetector) and Parts(None).proposer is None
    model = models.FastRCNN("mobilenet_v2_035", 3, SIZE, num_proposals=4)
    assert model.options.background_iou == (0.1, 0.5)
