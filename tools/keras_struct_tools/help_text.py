"""What `keras-struct COMMAND --help` prints."""

import textwrap
from types import ModuleType

from absl import flags

_WIDTH = 96


def command_help(module: ModuleType) -> str:
    """The docstring of a command's module and its flags, in the order they were defined.

    Args:
        module: with a docstring that shows examples, and `FLAGS`, an `absl.flags.FlagValues`.
    """
    by_module = module.FLAGS.flags_by_module_dict()
    own = [flag for group in by_module.values() for flag in group]
    return "\n".join([module.__doc__, "Flags:", *(_flag(flag) for flag in own)])


def _flag(flag: flags.Flag) -> str:
    choices = getattr(flag.parser, "enum_values", None)
    value = "|".join(choices) if choices else flag.flag_type().upper()
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}={value}"
    unset = flag.default in (None, "", [])
    default = "" if unset else f" (default: {flag.default_as_str.strip(chr(39))})"
    words = flag.help.removeprefix(f"<{value}>: ") + default  # absl repeats the choices there
    text = textwrap.fill(words, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return f"  {name}\n{text}"
