"""What the numbers of a label map mean, beside the classes."""

IGNORED = 255  # a pixel that counts neither in losses nor in metrics
