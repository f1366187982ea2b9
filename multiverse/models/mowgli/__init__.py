"""The model mowgli."""
