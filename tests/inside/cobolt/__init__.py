"""Cobolt with PyTorch: the model's parts, what it recovers, and its jobs."""
