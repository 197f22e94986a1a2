"""One family a folder."""
