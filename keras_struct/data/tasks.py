"""One data set seen as that of one task: its field the default, its class names those of it."""

from keras_struct.data.files import without_objects

TASK_FIELDS = {"detection": "bounding_boxes", "segmentation": "segmentation_masks"}


def task_source(source, task: str):
    """The source itself where its default field is that of `task`, else a view of it.

    Raises:
        ValueError: where there is no such task, or no annotation for it.
    """
    possible = tuple(name for name, field in TASK_FIELDS.items() if field in source.fields)
    if task not in possible:
        raise ValueError(
            f"`task` must be one the data set is annotated for, {possible}. Received: "
            f"task={task!r}, {source.name} with the fields {source.fields}."
        )
    return source if source.fields[0] == TASK_FIELDS[task] else LabelMapSource(source)


class LabelMapSource:
    """The label maps of a source that has objects as well, and these left out."""

    fields = ("segmentation_masks",)
    keypoint_names = ()

    def __init__(self, source):
        self._source = source
        self.class_names = self.label_names = source.label_names
        self.name = source.name
        self.label_map = source.label_map
        self.read = source.read
        self.loader = source.loader
        self.validate = source.validate

    def __len__(self) -> int:
        return len(self._source)

    def annotation(self, index: int) -> dict:
        """Annotation of one image, without objects: their labels are not those of the map."""
        return without_objects(self._source.annotation(index))

    def max_boxes(self, indices) -> int:
        """There are none."""
        return 0
