"""The model mofa."""
