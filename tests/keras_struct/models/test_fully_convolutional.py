import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_struct.models import to_fully_convolutional

SIDE = 12  # no layer leaves a row or column out


def features(x, padding="valid"):
    """Three layers of stride 2 in all, and no padding unless it is asked for."""
    x = layers.Conv2D(6, 3, padding=padding, activation="relu")(x)
    x = layers.MaxPooling2D(2, strides=2, padding="valid")(x)
    return layers.Conv2D(5, 3, padding=padding)(x)


def classifier(top, padding="valid", side=SIDE):
    images = keras.Input((side, side, 3))
    return keras.Model(images, top(features(images, padding)))


def flatten(x):
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(layers.Dense(8, activation="relu")(x))
    return layers.Dense(4, activation="softmax")(layers.BatchNormalization()(x))


def average(x):
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(x))


def maximum(x):
    x = layers.Flatten()(layers.GlobalMaxPooling2D(keepdims=True)(x))
    return layers.Activation("softmax")(layers.Dense(4, use_bias=False)(x))


def keeping_dimensions(x):
    """The top of Keras' MobileNet."""
    x = layers.Conv2D(4, 1)(layers.Dropout(0.1)(layers.GlobalAveragePooling2D(keepdims=True)(x)))
    return layers.Softmax()(layers.Reshape((4,))(x))


def sequential(nested):
    images = keras.Input((SIDE, SIDE, 3))
    body = keras.Model(images, features(images))
    parts = [body] if nested else body.layers[1:]
    return keras.Sequential([images, *parts, layers.Flatten(), layers.Dense(4)])


def values(model, images):
    return ops.convert_to_numpy(model(images, training=False))


def randomize(model):
    """Weights that no initializer gives, so that none that stays behind goes unseen."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(scale=0.3, size=weight.shape) for weight in model.weights])
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    return model


def slide(model, images, stride=2):
    height, width = (1 + (side - SIDE) // stride for side in images.shape[1:3])
    rows = []
    for i in range(height):
        starts = [(i * stride, j * stride) for j in range(width)]
        rows.append([values(model, images[:, y : y + SIDE, x : x + SIDE]) for y, x in starts])
    return np.moveaxis(np.array(rows), 2, 0)


@pytest.mark.agnostic
@pytest.mark.parametrize(
    "build",
    [
        lambda: classifier(flatten),
        lambda: classifier(average),
        lambda: classifier(maximum),
        lambda: classifier(keeping_dimensions),
        lambda: sequential(nested=False),
        lambda: sequential(nested=True),
    ],
    ids=["flatten", "average", "maximum", "keeping_dimensions", "sequential", "nested"],
)
def test_equals_the_classifier_moved_over_the_image(build):
    model = randomize(build())
    model.compile("sgd", "mse")
    network = to_fully_convolutional(model)
    images = np.random.default_rng(0).normal(size=(2, SIDE + 4, SIDE + 8, 3)).astype("float32")
    expected = slide(model, images)
    assert expected.shape == (2, 3, 5, 4)
    np.testing.assert_allclose(values(network, images), expected, atol=1e-5)
    assert not any(isinstance(layer, layers.Dense) for layer in network.layers)


def test_with_padding_they_agree_at_the_classifiers_own_size_alone():
    model = randomize(classifier(flatten, padding="same"))
    network = to_fully_convolutional(model)
    images = np.random.default_rng(0).normal(size=(1, SIDE + 4, SIDE + 4, 3)).astype("float32")
    own = images[:, :SIDE, :SIDE]
    np.testing.assert_allclose(values(network, own)[:, 0, 0], values(model, own), atol=1e-5)
    assert np.abs(values(network, images) - slide(model, images)).max() > 1e-3


def test_vgg16():
    vgg = keras.applications.VGG16(weights=None, input_shape=(64, 32, 3), classes=10)
    network = to_fully_convolutional(vgg)
    assert network.get_layer("fc1").kernel.shape == (2, 1, 512, 4096)
    assert network.count_params() == vgg.count_params()
    images = np.random.default_rng(0).uniform(-100, 100, (1, 64, 32, 3)).astype("float32")
    expected = values(vgg, images)
    np.testing.assert_allclose(values(network, images)[:, 0, 0], expected, rtol=1e-4)
    assert network(np.zeros((1, 96, 96, 3), "float32")).shape == (1, 2, 3, 10)
    assert network.get_layer("block1_conv1") is vgg.get_layer("block1_conv1")


@pytest.mark.parametrize("name, channels", [("MobileNet", 1000), ("MobileNetV2", 1000)])
def test_light_networks_of_keras(name, channels):
    application = getattr(keras.applications, name)
    model = application(input_shape=(32, 32, 3), alpha=0.35, weights=None)
    network = to_fully_convolutional(model)
    images = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(values(network, images)[:, 0, 0], values(model, images), rtol=1e-4)
    assert network(np.zeros((1, 64, 96, 3), "float32")).shape == (1, 2, 3, channels)


def test_saves_and_loads(tmp_path):
    network = to_fully_convolutional(randomize(classifier(flatten)))
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    images = np.random.default_rng(0).normal(size=(1, 15, 20, 3)).astype("float32")
    np.testing.assert_array_equal(values(again, images), values(network, images))


def squeeze(x):
    scale = layers.Dense(5, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Dense(4)(layers.Flatten()(layers.Multiply(name="excite")([x, scale])))


def reshaped(x):
    return layers.Flatten()(layers.Reshape((15, -1), name="tokens")(x))


def normalized(x):
    return layers.Dense(4)(layers.BatchNormalization(name="norm")(layers.Flatten()(x)))


def resized(x):
    return layers.Flatten()(layers.Resizing(2, 2, name="small")(x))


@pytest.mark.parametrize(
    "top, message",
    [
        (squeeze, r"layer 'excite' \(Multiply\), which joins what was pooled"),
        (reshaped, r"layer 'tokens' \(Reshape\), which does not work on maps of any size"),
        (normalized, r"layer 'norm' \(BatchNormalization\), which follows the flattened map"),
        (resized, r"layer 'small' \(Resizing\), which does not work on maps"),
    ],
)
def test_layers_that_cannot_be_converted_are_named(top, message):
    with pytest.raises(ValueError, match=message):
        to_fully_convolutional(classifier(top))


def test_classifiers_of_no_size():
    with pytest.raises(ValueError, match=r"'pool' \(GlobalAv.*takes inputs of shape \(None, None"):
        to_fully_convolutional(
            classifier(lambda x: layers.GlobalAveragePooling2D(name="pool")(x), side=None)
        )


def test_what_is_no_classifier():
    class Subclass(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="must be a keras.Sequential or a functional.*Subclass"):
        to_fully_convolutional(Subclass())
    images = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=r"one batch of images.*\[\(None, 8, 8, 3\), \(None, 6"):
        to_fully_convolutional(keras.Model(images, layers.Conv2D(2, 3)(images)))
