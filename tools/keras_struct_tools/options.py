"""Reading flags: each command has its own set, so that two commands may use one name."""

from absl import flags


def parse(flag_values: flags.FlagValues, argv: list[str], required: tuple[str, ...] = ()):
    """Read a command's flags, forgetting those of an earlier call.

    Args:
        flag_values: the command's own flags.
        argv: the command's name and its arguments.
        required: flags that must be given.

    Returns:
        `flag_values`, parsed.

    Raises:
        absl.flags.Error: for a flag or value that is not known; for a missing or a stray argument.
    """
    flag_values.unparse_flags()
    for name in flag_values:
        flag_values[name].unparse()
    stray = flag_values(argv)[1:]
    if stray:
        raise flags.Error(f"`{stray[0]}` is not a flag. Write --name=value.")
    for name in required:
        if flag_values[name].value in (None, "", []):
            raise flags.Error(f"`--{name}` must be given. See `keras-struct {argv[0]} --help`.")
    return flag_values
