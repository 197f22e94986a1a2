"""Models that give masks or keypoints: their numbers, headline, checkpoints and pictures."""

import keras
import numpy as np
import pytest

from keras_struct import data
from keras_struct.ops import run_lengths
from keras_struct.training import Checkpoints, Evaluation, draw_detections, evaluate, predictions
from keras_struct.training.curves import save_curves
from keras_struct.training.tasks import task_of

BOXES = ["boxes", "scores", "labels", "num_detections"]


class Oracle:
    """Answers with the true boxes, masks of 28 x 28 cells and keypoints, in network pixels."""

    task = "detection"

    def __init__(self, dataset, image_size, resize, given):
        self.image_size, self.resize = image_size, resize
        self.card = {"task": "detection", "results": [*BOXES, *given]}
        self.dataset, self.index = dataset, 0

    def __call__(self, images):
        found = {
            "boxes": np.zeros((len(images), 7, 4), np.float32),
            "labels": np.full((len(images), 7), -1, np.int32),
            "masks": np.zeros((len(images), 7, 28, 28), np.float32),
            "keypoints": np.zeros((len(images), 7, 5, 3), np.float32),
        }
        for row in range(min(len(images), len(self.dataset) - self.index)):
            truth = self.dataset.annotation(self.index)
            size, count = (truth["height"], truth["width"]), len(truth["labels"])
            geometry = (size, self.image_size, self.resize)
            found["boxes"][row, :count] = data.to_network(truth["boxes"], *geometry)
            found["labels"][row, :count] = truth["labels"]
            scale = data.to_network([[1, 1, 1, 1]], *geometry)[0, :2]
            found["keypoints"][row, :count] = truth["keypoints"] * (*scale, 1)
            masks = self.dataset.read(self.index, "instance_masks")["instance_masks"]
            for slot, (mask, box) in enumerate(zip(masks, truth["boxes"], strict=True)):
                found["masks"][row, slot] = cells(mask, box)
            self.index += 1
        return {**found, "scores": (found["labels"] >= 0) * 0.9}


def cells(mask, box):
    """The mask at the centres of 28 x 28 cells of the box."""
    middles = (np.arange(28) + 0.5) / 28
    columns = (box[0] + middles * (box[2] - box[0])).astype(int)
    rows = (box[1] + middles * (box[3] - box[1])).astype(int)
    return mask[rows[:, None], columns]


@pytest.fixture(scope="module")
def scenes():
    return data.shapes(6, (90, 140), seed=3)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_true_masks_and_keypoints_score_one(scenes, resize):
    found = evaluate(Oracle(scenes, 64, resize, ["masks", "keypoints"]), scenes, batch_size=4)
    assert found["mask_mAP_50"] == found["keypoint_mAP"] == pytest.approx(1.0)
    assert found["mask_mAP"] > 0.9 and found["mAP"] == pytest.approx(1.0)
    assert set(found["per_class"][scenes.class_names[0]]) >= {"mask_AP", "keypoint_AP"}


def test_results_are_used_as_the_card_says(scenes):
    plain = evaluate(Oracle(scenes, 64, "stretch", []), scenes, batch_size=6)
    assert "mask_mAP" not in plain and "keypoint_mAP" not in plain
    masks = evaluate(Oracle(scenes, 64, "stretch", ["masks"]), scenes, batch_size=6)
    assert "mask_mAP" in masks and "keypoint_mAP" not in masks


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_results_come_back_to_the_original_image(scenes, resize):
    oracle = Oracle(scenes, 64, resize, ["masks", "keypoints"])
    for index, annotation, result in predictions(oracle, scenes, 3):
        masks = run_lengths.decode(result["masks"], (90, 140))
        true = scenes.read(index, "instance_masks")["instance_masks"]
        shared, union = (masks & true).sum((1, 2)), (masks | true).sum((1, 2))
        assert (shared / union > 0.8).all()
        np.testing.assert_allclose(result["keypoints"], annotation["keypoints"], atol=1e-3)


def test_masks_of_boxes_that_reach_out_of_the_image_keep_their_place():
    """Letterbox: 100 x 50 in 40 x 40 covers 40 x 20; the box goes on into the filling.

    The lower half of the mask lies there, so that its upper half must fill the box in the image.
    """
    mask = np.zeros((1, 28, 28), np.float32)
    mask[:, :14] = 1.0
    result = {
        "boxes": np.array([[10, 10, 20, 30]], np.float32),
        "scores": np.ones(1),
        "labels": np.zeros(1, int),
        "masks": mask,
        "keypoints": np.array([[[15, 30, 0.5]]]),
    }
    task = task_of("detection", {"results": ["masks", "keypoints"]})
    found = task.to_original(result, (50, 100), 40, "letterbox")
    np.testing.assert_allclose(found["boxes"], [[25, 25, 50, 50]])
    pasted = run_lengths.decode(found["masks"], (50, 100))[0]
    assert pasted[27:49, 27:48].all() and pasted.sum() == pytest.approx(25 * 25, abs=12)
    np.testing.assert_allclose(found["keypoints"], [[[37.5, 50, 0.5]]])  # clipped, as boxes are


@pytest.mark.parametrize(
    ("results", "headline", "fields"),
    [
        (BOXES, "mAP", ("bounding_boxes",)),
        ([*BOXES, "masks"], "mask_mAP", ("bounding_boxes", "instance_masks")),
        ([*BOXES, "keypoints"], "keypoint_mAP", ("bounding_boxes", "keypoints")),
        (
            [*BOXES, "keypoints", "masks"],
            "mask_mAP",
            ("bounding_boxes", "instance_masks", "keypoints"),
        ),
    ],
)
def test_the_headline_follows_the_card(results, headline, fields):
    task = task_of("detection", {"results": results})
    assert (task.headline, task.fields) == (headline, fields)
    assert set(task.shown) <= set(task.every_shown) and task.shown[-1] == "voc12_mAP"
    assert next(name for name in task.every_shown if name in task.shown) == headline


class Masked(keras.Model):
    """A detector of one box whose mask grows with the one number it learns."""

    image_size, resize = 32, "stretch"

    def __init__(self, class_names, **kwargs):
        images = keras.Input((32, 32, 3), name="images")
        mean = keras.layers.GlobalAveragePooling2D()(images)
        super().__init__(images, keras.layers.Dense(1, name="dense")(mean / 255), **kwargs)
        self.class_names = class_names

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.square(y_pred - 3.0))

    def card(self):
        return {"task": "detection", "results": [*BOXES, "masks"]}

    def with_decoder(self):
        ops = keras.ops
        one = ops.reshape(self.output, (-1, 1, 1)) * 0 + 1.0
        boxes = ops.concatenate([one * 0, one * 0, one * 30, one * 30], axis=-1)
        results = {
            "boxes": boxes,
            "scores": ops.ones_like(boxes[..., 0]) * 0.5,
            "labels": ops.zeros_like(boxes[..., 0], dtype="int32"),
            "num_detections": ops.ones_like(boxes[:, 0, 0], dtype="int32"),
            "masks": ops.ones((1, 1, 28, 28)) * ops.sigmoid(self.output)[:, :, None, None],
        }
        return keras.Model(self.input, results)


def test_checkpoints_curves_and_history_follow_the_masks(scenes, tmp_path):
    model = Masked(scenes.class_names)
    model.compile("adam")
    evaluation, keep = Evaluation(scenes, 3), Checkpoints(tmp_path)
    history = model.fit(
        scenes.batches(3, 32), epochs=2, verbose=0, callbacks=[evaluation, keep]
    ).history
    assert evaluation.headline == keep.monitor == "val_mask_mAP"
    assert keep.best["value"] == max(history["val_mask_mAP"])
    assert (tmp_path / "model.keras").exists()
    rows = [{"epoch": e, "val_mask_mAP": v} for e, v in enumerate(history["val_mask_mAP"])]
    save_curves(rows, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_data_without_masks_cannot_judge_a_model_with_masks(scenes, tmp_path):
    class Boxes:
        fields = ("bounding_boxes",)

        def __repr__(self):
            return "<boxes only>"

    model = Masked(scenes.class_names)
    model.compile("adam")
    with pytest.raises(ValueError, match=r"`dataset` must have .*'instance_masks'.*<boxes only>"):
        model.fit(scenes.batches(3, 32), verbose=0, callbacks=[Evaluation(Boxes())])


FOUND = {
    "boxes": np.array([[10, 20, 40, 50]]),
    "scores": np.array([0.9]),
    "labels": np.array([1]),
}


def test_drawing_masks_lets_the_image_through():
    image = np.full((60, 80, 3), 100, np.uint8)
    mask = np.zeros((1, 60, 80), bool)
    mask[0, 30:45, 15:35] = True
    plain = draw_detections(image, FOUND, ("a", "b"))
    for form in (mask, run_lengths.encode(mask)):
        drawn = draw_detections(image, {**FOUND, "masks": form}, ("a", "b"))
        changed = (drawn != plain).any(-1)
        assert changed[36:45, 15:35].all() and not changed[~mask[0]].any()
    assert (drawn[40, 20] != 100).any() and (image == 100).all()
    inside = drawn[36:45, 15:35].reshape(-1, 3)
    assert (inside == inside[0]).all()


def test_drawing_keypoints_and_the_lines_between_them():
    image = np.zeros((60, 80, 3), np.uint8)
    points = np.array([[[50, 10, 1.0], [70, 10, 1.0], [60, 55, 0.0]]])
    plain = draw_detections(image, FOUND, ("a", "b"))
    found = {**FOUND, "keypoints": points}
    dots = (draw_detections(image, found, ("a", "b")) != plain).any(-1)
    assert dots[10, 50] and dots[10, 70] and not dots[10, 60] and not dots[55, 60]
    lines = draw_detections(image, found, ("a", "b"), skeleton=((0, 1), (1, 2)))
    assert lines[10, 60].any() and not lines[32, 65].any()
    half = draw_detections(image, found, ("a", "b"), scale=0.5, skeleton=((0, 1),))
    assert half[5, 30].any()


def test_pictures_show_what_is_sure_enough(scenes):
    oracle = Oracle(scenes, 64, "stretch", ["masks", "keypoints"])
    oracle.card["skeleton"] = [[0, 1]]
    task = task_of("detection", oracle.card)
    assert task.skeleton == ((0, 1),)
    index, _, result = next(predictions(oracle, scenes, 1))
    bare = task.picture(scenes[index], result, scenes.class_names, 1.0, min_score=0.95)
    drawn = task.picture(scenes[index], result, scenes.class_names, 1.0, min_score=0.5)
    mask = run_lengths.decode(result["masks"][:1], (90, 140))[0] > 0
    assert (bare != drawn).any(-1)[mask].mean() > 0.9
