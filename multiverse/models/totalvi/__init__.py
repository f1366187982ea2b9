"""totalVI: a variational autoencoder of RNA and surface proteins, by scvi-tools."""
