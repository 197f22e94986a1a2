"""The one error a broken data set raises."""


class DatasetError(ValueError):
    """A file of a data set breaks a rule; the message names the file and the field."""


def dataset_error(file, field: str, problem: str, fix: str = "") -> DatasetError:
    """Build a `DatasetError` that reads "FILE: field `FIELD` PROBLEM. FIX."."""
    return DatasetError(f"{file}: field `{field}` {problem}.{' ' + fix if fix else ''}")
