"""Pure functions on tensors, keras.ops only."""
