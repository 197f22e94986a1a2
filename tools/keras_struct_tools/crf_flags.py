"""Flags of a fully connected CRF behind a model of label maps."""

from typing import Any

from absl import flags

from keras_struct_tools import options as reading

_FORMS = {"crf_spatial": "DEVIATION,WEIGHT", "crf_bilateral": "DEVIATION,COLOURS,WEIGHT"}
_ARGUMENTS = {
    "crf_spatial": ("spatial_sxy", "spatial_weight"),
    "crf_bilateral": ("bilateral_sxy", "bilateral_srgb", "bilateral_weight"),
}
_OWN = ("crf_spatial", "crf_bilateral", "crf_filter", "crf_iterations")


def define(flag_values: flags.FlagValues, modes: tuple[str, ...]) -> tuple[str, ...]:
    """Define the flags; return their names.

    Args:
        flag_values: of the command.
        modes: values of --crf beside "none".
    """
    flags.DEFINE_enum(
        "crf",
        "none",
        ["none", *modes],
        "Fully connected CRF on label maps: post refines what the network gives"
        + ("; joint trains both, on the model's loss." if "joint" in modes else "."),
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "crf_spatial",
        None,
        "DEVIATION,WEIGHT of pixels that are near, deviation in pixels of the network input.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "crf_bilateral",
        None,
        "DEVIATION,COLOURS,WEIGHT of pixels that are near and alike: deviation in pixels of the "
        "network input, and of colours, which are 0 to 255.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "crf_filter",
        "permutohedral",
        ["permutohedral", "exact", "grid", "local"],
        "How the CRF sums over pixels; artefacts take grid and local.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer("crf_iterations", 10, "Steps of mean field.", 1, flag_values=flag_values)
    return ("crf", *_OWN)


def layer(options: Any) -> Any:
    """The layer the flags ask for, with published parameters where none are given, or None.

    Raises:
        absl.flags.Error: if a flag of the CRF comes without --crf, or has a value too few.
    """
    given = [name for name in _OWN if options[name].present]
    if options.crf == "none":
        if given:
            raise flags.Error(f"`--{given[0]}` must come with --crf. Received: --crf=none.")
        return None
    arguments = {"filter": options.crf_filter, "iterations": options.crf_iterations}
    for name, keys in _ARGUMENTS.items():
        texts = options[name].value
        if texts is None:
            continue
        values = reading.numbers(name, texts, _FORMS[name])
        arguments |= dict(zip(keys, values, strict=True))
    from keras_struct.layers import DenseCRF
    from keras_struct.models.labelling.crf_as_rnn import PUBLISHED

    start = PUBLISHED if options.crf == "joint" else {}
    return DenseCRF(**{**start, **arguments}, name="crf")
