"""Image to a dict of feature levels."""
