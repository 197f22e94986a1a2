"""The mean of per-image losses, as Keras takes it."""

import keras


@keras.saving.register_keras_serializable(package="keras_struct")
class ImageMean(keras.losses.Loss):
    """Mean over images of values computed already, weighted by `sample_weight`.

    Going through a Keras loss keeps its reduction: under `tf.distribute` it divides by the number
    of replicas, whose gradients are then summed.

    Call arguments:
        y_true: ignored by the value; the per-image values again (Keras asks for both).
        y_pred: (B,) float32, the loss of each image.
    """

    def call(self, y_true, y_pred):
        return y_pred
