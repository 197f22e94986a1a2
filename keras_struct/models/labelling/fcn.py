"""Fully convolutional networks with skips: FCN-32s, FCN-16s and FCN-8s."""

import keras

from keras_struct import backbones
from keras_struct.layers.bilinear_conv2d_transpose import BilinearConv2DTranspose
from keras_struct.models.labelling.fcn_vgg16 import FC_UNITS, vgg16_levels
from keras_struct.models.labelling.labelling_model import LabellingModel
from keras_struct.models.labelling.options import LabellingOptions

_COARSEST = 32
_STRIDES = (8, 16, 32)
# Published for training 8s at once; features of VGG16 grow large without batch norm.
_VGG16_SKIP_SCALE = (0.01, 0.0001)
_VGG16_DROPOUT = 0.5


@keras.saving.register_keras_serializable(package="keras_struct")
class FCN(LabellingModel):
    """Class scores at stride 32, joined with those of finer levels, then enlarged to the image.

    Each level is scored by a 1 x 1 convolution that starts at zero. The scores of stride 32 are
    enlarged twice and added to those of stride 16 (FCN-16s), the sum is enlarged twice and added to
    those of stride 8 (FCN-8s), and what results is enlarged to the image, bilinearly. A skip adds
    nothing at first, so that FCN-16s starts from the scores of FCN-32s and FCN-8s from those of
    FCN-16s.

    `FCN("vgg16", num_classes=21, image_size=500)` is the published network, trained at once. For
    training in stages, train `stride=32`, then `FCN.from_coarser(model)`, twice.

    Args:
        backbone: one of `keras_struct.backbones.names()`. "vgg16" is the published form: pool3,
            pool4 and fc7 (of dense layers turned into convolutions) are the levels.
        num_classes: int, classes of a pixel.
        image_size: int or (height, width), pixels.
        stride: 8, 16 or 32, of the finest scores.
        weights: None, "imagenet" or a path: weights of the backbone.
        freeze_batch_norm: bool, leave the batch norms of the backbone as they came.
        learn_upsampling: bool, train the kernels that enlarge; they start as bilinear.
        skip_scale: (float, float), factors of the features at stride 16 and 8 before they are
            scored. None for the published (0.01, 0.0001) on "vgg16", and (1, 1) on others, which
            have batch norm.
        dropout: float in [0, 1), on the features at stride 32. None for the published 0.5 on
            "vgg16" (after fc6 and after fc7), and 0 on others.
        fc_units: int, channels of fc6 and fc7, "vgg16" only. None for 4096; others start at random.
        name: of the model.
        **labelling: further arguments of `LabellingOptions`: `class_names`, `resize`, `loss`,
            `class_weights`, `crf`.

    Call arguments:
        images: (B, H, W, 3) float32, RGB, 0..255, sides of at least 32.

    Returns:
        {"logits": (B, H, W, C) float32}.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        model = keras_struct.models.FCN("mobilenet_v2", num_classes=11, image_size=(180, 240))
        model.compile("adamw")
        model.fit(dataset.batches(8, image_size=(180, 240)), epochs=60)

    Source: Long et al. 2015, arXiv:1411.4038; Shelhamer et al. 2017, arXiv:1605.06211 (at once).
    """

    def __init__(
        self,
        backbone,
        num_classes,
        image_size,
        *,
        stride=8,
        weights=None,
        freeze_batch_norm=False,
        learn_upsampling=False,
        skip_scale=None,
        dropout=None,
        fc_units=None,
        name=None,
        **labelling,
    ):
        options = LabellingOptions(num_classes, image_size, **labelling)
        published = backbone == "vgg16"
        if skip_scale is None:
            skip_scale = _VGG16_SKIP_SCALE if published else (1.0, 1.0)
        if dropout is None:
            dropout = _VGG16_DROPOUT if published else 0.0
        _check(backbone, stride, skip_scale)
        _check_of_backbone(backbone, fc_units, freeze_batch_norm)

        # === Functional model ===
        images = keras.Input((None, None, 3), name="images")
        if published:
            levels = vgg16_levels(images, weights, fc_units or FC_UNITS, dropout)
        else:
            body = backbones.create(backbone, None, weights, freeze_batch_norm=freeze_batch_norm)
            levels = dict(body(images))
            levels["P5"] = keras.layers.Dropout(dropout, name="dropout")(levels["P5"])
        logits = _score_levels(levels, num_classes, stride, skip_scale, learn_upsampling)
        logits = BilinearConv2DTranspose(stride, learn_upsampling, name=f"enlarge_{stride}")(
            logits, images
        )
        super().__init__(images, logits, options, stride=_COARSEST, name=name)

        # === Config ===
        self.backbone_name = backbone
        self.finest_stride = stride
        self.freeze_batch_norm = bool(freeze_batch_norm)
        self.learn_upsampling = bool(learn_upsampling)
        self.skip_scale = tuple(float(factor) for factor in skip_scale)
        self.dropout = float(dropout)
        self.fc_units = fc_units

    @classmethod
    def from_coarser(cls, model, **changes):
        """The next finer network, starting from a trained coarser one.

        Args:
            model: FCN of stride 32 or 16.
            **changes: arguments that are to be others than the model's, such as `skip_scale`,
                `loss` or `name`. Published for stages: `skip_scale=(1, 1)` and a rate of learning a
                hundred times lower at each.

        Returns:
            FCN of half the stride with the weights of `model`; its new skip adds nothing yet.

        Raises:
            TypeError: if `model` is no FCN.
            ValueError: if its stride is 8 already.
        """
        if not isinstance(model, FCN):
            raise TypeError(f"`model` must be an FCN. Received: model={type(model).__name__}.")
        if model.finest_stride == min(_STRIDES):
            raise ValueError(
                "`model` must be an FCN of stride 32 or 16. Received: one of stride "
                f"{model.finest_stride}, the finest there is."
            )
        config = {**model.get_config(), "stride": model.finest_stride // 2, "name": None}
        finer = cls.from_config({**config, **changes})
        for layer in model.layers:
            if layer.weights and layer.name != f"enlarge_{model.finest_stride}":
                finer.get_layer(layer.name).set_weights(layer.get_weights())
        return finer

    def get_config(self):
        """Arguments without `weights`: a saved model carries its own."""
        return {
            **super().get_config(),
            "backbone": self.backbone_name,
            "stride": self.finest_stride,
            "freeze_batch_norm": self.freeze_batch_norm,
            "learn_upsampling": self.learn_upsampling,
            "skip_scale": list(self.skip_scale),
            "dropout": self.dropout,
            "fc_units": self.fc_units,
        }


def _score_levels(levels, num_classes, stride, skip_scale, learn_upsampling):
    """Class scores at `stride`, the sum of those of all levels from there to stride 32."""
    scores = _score(levels["P5"], num_classes, "p5")
    for level, factor in zip(("P4", "P3"), skip_scale, strict=True):
        if stride >= 2 ** (int(level[1]) + 1):
            break
        features, name = levels[level], level.lower()
        if factor != 1:
            features = keras.layers.Rescaling(factor, name=f"scale_{name}")(features)
        skip = _score(features, num_classes, name)
        coarse = BilinearConv2DTranspose(2, learn_upsampling, name=f"enlarge_to_{name}")
        scores = keras.layers.Add(name=f"sum_{name}")([coarse(scores, skip), skip])
    return scores


def _score(features, num_classes, level):
    layer = keras.layers.Conv2D(num_classes, 1, kernel_initializer="zeros", name=f"score_{level}")
    return layer(features)


def _check(backbone, stride, skip_scale):
    backbones.backbone.check_name(backbone)
    if stride not in _STRIDES:
        raise ValueError(f"`stride` must be one of {_STRIDES}. Received: stride={stride!r}.")
    if len(skip_scale) != 2:
        raise ValueError(
            "`skip_scale` must hold two factors, for strides 16 and 8. "
            f"Received: skip_scale={skip_scale!r}."
        )


def _check_of_backbone(backbone, fc_units, freeze_batch_norm):
    if freeze_batch_norm and backbone == "vgg16":
        raise ValueError("`freeze_batch_norm` must be False for 'vgg16', which has no batch norm.")
    if fc_units is not None and (backbone != "vgg16" or type(fc_units) is not int or fc_units < 1):
        raise ValueError(
            "`fc_units` must be a positive integer, and 'vgg16' the backbone: others have no dense "
            f"layers. Received: fc_units={fc_units!r}, backbone={backbone!r}."
        )
