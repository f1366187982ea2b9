"""MultiVI: a variational autoencoder of RNA and chromatin accessibility, by scvi-tools."""
