"""The folder of one training: what it was asked for, where it stands, what came out."""

import json
from pathlib import Path
from typing import Any

_FORMAT, _VERSION = "keras_struct_run", 1


class RunFolder:
    """Names and rules of a run folder.

    Files: `config.json`, `model.keras` (best), `last.keras`, `state.npz` (to continue),
    `history.csv`, `metrics.json`, `curves.png`, `gallery.png`, `tensorboard/`.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.state_file = self.path / "state.npz"

    def config(self) -> dict[str, Any] | None:
        """The configuration, or None for a folder that does not exist or is empty.

        Raises:
            ValueError: if the folder holds something else.
        """
        if not self.config_file.exists():
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise ValueError(
                    "`--output` must be a run folder, or an empty or new one. Received: "
                    f"--output={self.path}, which holds other files. Choose another folder."
                )
            return None
        try:
            config = json.loads(self.config_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.config_file}: must be JSON. {error}") from error
        if config.get("format") != _FORMAT or config.get("version") != _VERSION:
            raise ValueError(
                f"{self.config_file}: `format` and `version` must be {_FORMAT!r} and {_VERSION}. "
                f"Received: {config.get('format')!r} and {config.get('version')!r}."
            )
        return config

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the fully resolved configuration."""
        from keras_struct.training.files import replacing

        document = {"format": _FORMAT, "version": _VERSION, **config}
        with replacing(self.config_file) as path:
            path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def remove_leftovers(self) -> None:
        """Remove what a process that was killed while it wrote has left under temporary names."""
        for file in self.path.glob(".*.tmp*"):
            file.unlink(missing_ok=True)

    def check_same(self, config: dict[str, Any], part: str, wanted: dict[str, Any]) -> None:
        """Raise a ValueError that lists what differs between a stored part and a wanted one."""
        stored = config[part]
        wanted = json.loads(json.dumps(wanted))
        different = [
            f"{name}: {stored.get(name)!r} there, {wanted.get(name)!r} now"
            for name in sorted({*stored, *wanted})
            if stored.get(name) != wanted.get(name)
        ]
        if different:
            raise ValueError(
                f"{self.config_file}: this run was begun with other {part}. "
                f"{'; '.join(different)}. Give the same again to continue, or another --output."
            )
