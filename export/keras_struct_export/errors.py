"""The error raised when an artefact cannot be made or is not what the model was."""


class ExportError(RuntimeError):
    """A model could not be exported; nothing was left behind at the path asked for."""
