"""TOPK_V2 of one entry becomes ARG_MAX: the same numbers, ties included."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_struct_export import litert_file
from keras_struct_export.litert_argmax import use_argmax


def converted(function, shape):
    traced = tf.function(function, input_signature=[tf.TensorSpec(shape, name="x")])
    return tf.lite.TFLiteConverter.from_concrete_functions(
        [traced.get_concrete_function()], tf.Module()
    ).convert()


def kinds(content):
    return [operator.kind for operator in litert_file.operators(litert_file.parse(content))]


def run(content, x):
    interpreter = Interpreter(model_content=content)
    (entry,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(entry["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("shape", [(7,), (5, 6), (None, 4, 9), (2, 3, 5, 11), (1, 2, 2, 1)])
def test_the_index_of_the_best_is_found_by_argmax(shape):
    content = converted(lambda x: tf.math.top_k(x * 2.0, 1).indices, shape)
    changed = use_argmax(content)
    assert "TOPK_V2" in kinds(content) and "ARG_MAX" in kinds(changed)
    assert "TOPK_V2" not in kinds(changed)
    # whole numbers from few: most rows have several entries that are the greatest
    x = np.random.default_rng(0).integers(0, 3, [size or 3 for size in shape]).astype("float32")
    found = run(changed, x)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, x.argmax(axis=-1)[..., None])
    np.testing.assert_array_equal(found, run(content, x))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.math.top_k(x, 2).indices,
        lambda x: tf.math.top_k(x, 1).values,
        lambda x: tf.cast(tf.math.top_k(x, 1).indices, tf.float32) + tf.math.top_k(x, 1).values,
    ],
)
def test_others_stay(function):
    content = converted(function, (4, 6))
    assert kinds(use_argmax(content)) == kinds(content)
    assert "TOPK_V2" in kinds(content)
