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


def numbers(name: str, texts: list[str] | None, form: str = "") -> tuple[float, ...] | None:
    """The values of a list flag as numbers; None where it was not given.

    Args:
        name: of the flag.
        texts: its value.
        form: what the numbers are, separated by commas, where they must be that many.

    Raises:
        absl.flags.Error: if one is no number, or there are more or fewer than in `form`.
    """
    if texts is None:
        return None
    if form and len(texts) != form.count(",") + 1:
        raise flags.Error(f"`--{name}` must be {form}. Received: --{name}={','.join(texts)}.")
    try:
        return tuple(float(text) for text in texts)
    except ValueError:
        raise flags.Error(
            f"`--{name}` must be numbers, separated by commas. Received: --{name}={','.join(texts)}"
        ) from None


def size(name: str, text: str) -> int | tuple[int, int]:
    """The value of a size flag: "320" is a square, "288x384" is height and width.

    Raises:
        absl.flags.Error: if it is neither.
    """
    parts = text.split("x")
    if len(parts) > 2 or not all(part.isdigit() and int(part) >= 32 for part in parts):
        raise flags.Error(
            f"`--{name}` must be pixels, at least 32: one number, or HEIGHTxWIDTH. "
            f"Received: --{name}={text}."
        )
    sides = tuple(int(part) for part in parts)
    return sides if len(sides) == 2 else sides[0]


def size_text(image_size: int | tuple[int, int]) -> str:
    """How `size` would be written: "320" or "288x384"."""
    if isinstance(image_size, int):
        return str(image_size)
    height, width = image_size
    return str(height) if height == width else f"{height}x{width}"
