"""The SDK a model author uses inside a container. May import contract and errors."""
