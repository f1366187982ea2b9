"""The model pca."""
