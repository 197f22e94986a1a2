"""keras-struct with a tiny network, in its own process: what the kill and cluster tests start.

    python tiny_run.py make PATH            write a tiny SSD as PATH
    python tiny_run.py train --model=...    the command itself

KILL=2:1 ends the process without warning after step 1 of epoch 2 (both from 0); KILL=backup:1 while
the state of epoch 1 is half written. CPUS=2 gives two logical devices.
"""

import os
import signal
import sys
from unittest import mock


def tiny_backbone(name, image_size, weights=None, freeze_batch_norm=False):
    """Four convolutions with everything that has state: batch norm and dropout."""
    import keras

    sides = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    images = keras.Input((*sides, 3), name="images")
    x = keras.layers.Rescaling(1 / 127.5, -1)(images)
    x = keras.layers.Conv2D(8, 4, 4, padding="same", activation="relu")(x)
    norm = keras.layers.BatchNormalization(trainable=not freeze_batch_norm)
    x = keras.layers.Dropout(0.1)(norm(x))
    levels = {"P2": x}
    for level in ("P3", "P4", "P5"):
        x = keras.layers.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
        levels[level] = x
    return keras.Model(images, levels, name=name)


def tiny_ssd(class_names):
    """An SSD of a few thousand weights on 64 x 64 pixels; needs the backbone patched in."""
    import keras_struct as ks

    boxes = {"P4": [(16.0, 16.0)], "P5": [(32.0, 32.0)]}
    return ks.models.SSD(
        "mobilenet_v2", len(class_names), 64, class_names=class_names, default_boxes=boxes
    )


def _kill():
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_after(epoch, step):
    import keras

    class Killer(keras.callbacks.Callback):
        epoch = None

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (epoch, step):
                _kill()

    return Killer()


def _arm(when):
    """Plant the kill into the command."""
    import numpy as np

    from keras_struct_tools import train_callbacks

    if when.startswith("backup:"):
        left, savez = [int(when.split(":")[1])], np.savez

        def half(path, **arrays):
            savez(path, **arrays)
            if left[0] == 0:
                os.truncate(path, os.path.getsize(path) // 2)
                _kill()
            left[0] -= 1

        np.savez = half
        return
    epoch, step = map(int, when.split(":"))
    original = train_callbacks.callbacks

    def armed(*arguments):
        chain, resume = original(*arguments)
        return [*chain, _kill_after(epoch, step)], resume

    train_callbacks.callbacks = armed


def main():
    """Patch the backbone in and run the command."""
    from keras_struct import backbones, data
    from keras_struct_tools import main as command

    if "CPUS" in os.environ:
        import tensorflow as tf

        one = tf.config.LogicalDeviceConfiguration()
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [one] * int(os.environ["CPUS"]))
    with mock.patch.object(backbones, "create", tiny_backbone):
        if sys.argv[1] == "make":
            tiny_ssd(data.shapes(1).class_names).save(sys.argv[2])
            return 0
        if "KILL" in os.environ:
            _arm(os.environ["KILL"])
        return command.run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
