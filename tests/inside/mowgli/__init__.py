"""The model mowgli with its own library."""
