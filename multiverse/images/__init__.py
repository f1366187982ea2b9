"""How a model's image is built and its locked environment made. May import specs."""
