"""Order and augmentation depend on (seed, epoch, index) and on nothing else."""

import numpy as np
import pytest
import tensorflow as tf

from keras_struct.data import shapes, voc

NUM_IMAGES = 10


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Ten JPEGs: parallel reading may finish in any order."""
    from PIL import Image

    root = tmp_path_factory.mktemp("voc")
    for name in ("Annotations", "ImageSets", "JPEGImages"):
        (root / name).mkdir()
    world = shapes(NUM_IMAGES, (60, 80))
    for index in range(NUM_IMAGES):
        Image.fromarray(world[index]["images"]).save(root / "JPEGImages" / f"{index}.jpg")
        box = "<xmin>10</xmin><ymin>10</ymin><xmax>50</xmax><ymax>40</ymax>"
        (root / "Annotations" / f"{index}.xml").write_text(
            f"<annotation><object><name>a</name><bndbox>{box}</bndbox></object></annotation>"
        )
    (root / "ImageSets" / "train.txt").write_text("\n".join(map(str, range(NUM_IMAGES))))
    return voc(root)


def stream(dataset, **options):
    batches = dataset.batches(4, 32, **{"augment": True, "seed": 5, **options})
    return [tf.nest.map_structure(lambda t: t.numpy(), batch) for batch in batches]


def assert_same(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, a, b)


def differ(left, right):
    return any((a[0] != b[0]).any() for a, b in zip(left, right, strict=True))


def test_a_stream_taken_up_at_epoch_two_is_the_tail_of_the_whole(dataset):
    whole = stream(dataset, epochs=4)
    steps = dataset.steps(4)
    assert len(whole) == 4 * steps
    assert_same(stream(dataset, first_epoch=2, epochs=2), whole[2 * steps :])


def test_every_iteration_is_the_next_epoch(dataset):
    batches = dataset.batches(4, 32, augment=True, seed=5)
    iter(batches)  # opened, never read, as Keras does at the end of an epoch: not an epoch
    epochs = [[tf.nest.map_structure(np.asarray, batch) for batch in batches] for _ in range(3)]
    assert_same(sum(epochs, []), stream(dataset, epochs=3))
    assert_same(epochs[2], stream(dataset, first_epoch=2))


def test_an_explicit_stream_can_be_read_again(dataset):
    batches = dataset.batches(4, 32, augment=True, epochs=2)
    assert_same(list(batches), list(batches))


def test_epochs_and_seeds_differ(dataset):
    first = stream(dataset, epochs=1)
    assert differ(first, stream(dataset, first_epoch=1, epochs=1))
    assert differ(first, stream(dataset, seed=6, epochs=1))
    assert differ(first, stream(dataset, seed=5 + 2**40, epochs=1))


def test_an_epoch_shows_every_image_once(dataset):
    plain = np.concatenate([batch[0] for batch in stream(dataset, augment=False)])
    orders = []
    options = {"augment": False, "shuffle": True, "drop_remainder": False}
    for epoch in range(3):
        shown = np.concatenate(
            [batch[0] for batch in stream(dataset, first_epoch=epoch, epochs=1, **options)]
        )
        distance = np.abs(shown[:, None] - plain[None]).sum((2, 3, 4))
        orders.append(distance.argmin(1).tolist())
        assert distance.min(1).max() == 0 and sorted(orders[-1]) == list(range(NUM_IMAGES))
    assert len({tuple(order) for order in orders}) == 3


def test_short_batches_end_an_epoch_and_do_not_reach_into_the_next(dataset):
    sizes = [len(batch[0]) for batch in stream(dataset, epochs=2, drop_remainder=False)]
    assert sizes == [4, 4, 2, 4, 4, 2]
    assert len(dataset.batches(4, 32, augment=True, epochs=2, drop_remainder=False)) == 6


def test_batch_size_does_not_change_what_an_image_looks_like(dataset):
    together = np.concatenate([b[0] for b in stream(dataset, epochs=1, drop_remainder=False)])
    single = dataset.batches(1, 32, augment=True, seed=5, epochs=1)
    np.testing.assert_array_equal(together, np.concatenate([batch[0] for batch in single]))


def test_evaluation_reads_the_same_every_time(dataset):
    batches = dataset.batches(4, 32)
    assert_same(list(batches), list(batches))
    assert len(batches) == 3


def test_fit_trains_on_a_stream_with_known_steps(dataset):
    import keras

    class Sum(keras.Model):
        def call(self, images):
            return keras.ops.mean(images, (1, 2, 3))

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(y_pred) + keras.ops.sum(y["bounding_boxes"]["boxes"])

    model = Sum()
    model.compile("sgd", loss=None, jit_compile=False)
    plain = model.fit(
        dataset.batches(4, 32, augment=True, seed=5), epochs=3, verbose=0, shuffle=False
    )
    resumed = model.fit(
        dataset.batches(4, 32, augment=True, seed=5, first_epoch=1, epochs=2),
        initial_epoch=1,
        epochs=3,
        steps_per_epoch=dataset.steps(4),
        verbose=0,
        shuffle=False,
    )
    np.testing.assert_allclose(plain.history["loss"][1:], resumed.history["loss"], rtol=1e-6)
