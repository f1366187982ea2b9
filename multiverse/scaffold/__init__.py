"""The folder of a new model, written from a template that builds, runs and passes its tests.

May import specs.
"""

from multiverse.scaffold.folder import write_model_folder

__all__ = ["write_model_folder"]
