"""Readers, tf.data pipelines and the synthetic shapes world."""
