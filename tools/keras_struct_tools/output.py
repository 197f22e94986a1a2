"""Results of a command as files: JSON, whole or not there."""

import json
from pathlib import Path
from typing import Any


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as JSON under a temporary name, then rename it."""
    from keras_struct.training.files import replacing

    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
