"""What the catalogue says of a model before it is built."""

import pytest

from keras_struct import models


def test_task_and_arguments_by_name():
    assert models.task("ssd_mobilenet_v2") == "detection"
    arguments = models.arguments("ssd_mobilenet_v2")
    assert {"num_classes", "image_size", "default_boxes", "pyramid", "loss"} <= set(arguments)
    assert not {"self", "backbone", "name", "kwargs"} & set(arguments)
    assert {"weights", "freeze_batch_norm"} <= set(models.arguments("unet_mobilenet_v2"))
    assert not {"weights", "freeze_batch_norm", "stride"} & set(models.arguments("unet"))
    assert "stride" not in models.arguments("fcn8s_mobilenet_v2")
    for ask in (models.task, models.arguments):
        with pytest.raises(ValueError, match="`model` must be one of .*ssd_vgg16.*'unit'"):
            ask("unit")


def test_what_the_name_says_is_no_argument():
    assert models.task("fcn8s_mobilenet_v2") == "segmentation"
    arguments = models.arguments("fcn8s_mobilenet_v2")
    assert {"num_classes", "image_size", "loss", "learn_upsampling", "weights"} <= set(arguments)
    assert not {"self", "backbone", "name", "stride", "labelling"} & set(arguments)
