"""keras-struct: train, evaluate, export, predict and benchmark from the command line.

    keras-struct train --model=ssd_mobilenet_v2 --data=voc:cells/ --epochs=60 --output=runs/cells
    keras-struct evaluate --model=runs/cells --data=voc:cells/
    keras-struct export --model=runs/cells --target=litert --precision=int8 --calibration=voc:cells/
    keras-struct predict --model=runs/cells/model.tflite --images=photos/ --output=found/

Every command explains itself: `keras-struct train --help`.
"""

import importlib
import os
import sys
from collections.abc import Sequence

from absl import flags

from keras_struct_tools.help_text import command_help

COMMANDS = {
    "train": "train a model on a data set; the same command again continues",
    "evaluate": "the numbers of a model or an artefact on a data set",
    "predict": "find objects or label pixels in images: JSON and drawings",
    "export": "turn a trained model into one file for a device",
    "benchmark": "speed, size, memory and accuracy of artefacts, as a report",
    "propose": "find proposals in a data set once, for Fast R-CNN and its kin",
    "fit_heads": "linear SVMs as the last layers of a trained R-CNN or SPPnet",
    "anchors": "default boxes that fit a data set",
    "refine": "snap label maps to the edges of their images",
}
_HELP = ("--help", "-h", "help", "-help")
_TRACEBACK = "--traceback"
USAGE, FAILED, INTERRUPTED = 2, 1, 130


def run(argv: Sequence[str] | None = None) -> int:
    """The `keras-struct` command.

    Args:
        argv: arguments after the program's name; None for those of the process.

    Returns:
        Exit code: 0 done, 1 failed, 2 not understood (a flag, a value, a file), 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    traceback = _TRACEBACK in arguments
    arguments = [argument for argument in arguments if argument != _TRACEBACK]
    if not arguments or arguments[0] in _HELP:
        print(_overview())
        return 0 if arguments else USAGE
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"keras-struct: there is no command {name!r}.\n\n{_list()}", file=sys.stderr)
        return USAGE
    _quiet_tensorflow()
    module = importlib.import_module(f"keras_struct_tools.{name}")
    if any(argument in _HELP for argument in rest):
        print(command_help(module))
        return 0
    if traceback:
        return module.main([name, *rest])
    return _guarded(module, name, rest)


def _guarded(module, name: str, arguments: list[str]) -> int:
    """Run a command; what its user can mend becomes one line."""
    try:
        return module.main([name, *arguments])
    except KeyboardInterrupt:
        return _say(name, "interrupted", INTERRUPTED)
    except (flags.Error, ValueError, FileNotFoundError, NotADirectoryError) as error:
        return _say(name, error, USAGE)
    except (OSError, RuntimeError, ImportError) as error:
        return _say(name, error, FAILED)


def _say(name: str, error: object, code: int) -> int:
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"keras-struct {name}: {text}", file=sys.stderr)
    return code


def _quiet_tensorflow() -> None:
    """TensorFlow's start-up lines say nothing to a user; errors stay."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _overview() -> str:
    return f"{__doc__}\n{_list()}\n\n{_TRACEBACK} with any command shows where an error arose."


def _list() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "Commands:\n" + "\n".join(lines)
