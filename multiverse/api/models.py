"""Models: listed, built, checked, and begun."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.api.request import Folders, folders, several
from multiverse.events import Noted, Tell, silent
from multiverse.registry.models import find_models
from multiverse.registry.models import hidden_models as hidden_known_models
from multiverse.registry.models import list_models as list_known_models
from multiverse.specs.evaluator import EvaluatorSpec
from multiverse.specs.model import ModelSpec
from multiverse.specs.names import EVALUATOR

if TYPE_CHECKING:
    from multiverse.conformance import CheckReport, CheckResult, SuiteOptions
    from multiverse.images import BuiltImage
    from multiverse.specs import Accelerator


def find_model(name: str, models_dirs: Folders = ()) -> ModelSpec:
    """Return a model by its name; :class:`UsageError` if there is none."""
    return find_models([name], folders(models_dirs))[name]


def list_models(models_dirs: Folders = ()) -> list[ModelSpec]:
    """Return the built-in models, and those of other folders."""
    return list_known_models(folders(models_dirs))


def hidden_models(models_dirs: Folders = (), names: Collection[str] | None = None) -> list[str]:
    """Return a sentence for each model that stands for a built-in one of its name."""
    return hidden_known_models(folders(models_dirs), names)


def build_images(
    models: Sequence[str] | None,
    *,
    base: str = "auto",
    accelerator: Accelerator = "cpu",
    no_cache: bool = False,
    verbose: bool = False,
    models_dirs: Folders = (),
    tell: Tell = silent,
) -> list[BuiltImage]:
    """Build the images of models, in order.

    Parameters
    ----------
    models
        Their names, ``evaluate`` for the evaluator; None for all there are (for ``cuda`` all
        that have such a variant).
    base
        See :mod:`multiverse.images.base_image`.
    no_cache
        Build every layer anew.

    Raises
    ------
    UsageError, BuildError, EngineUnavailable
        For the first image that can't be built.
    """
    from multiverse.images.build import build_models
    from multiverse.specs.accelerator import has_cuda_variant, variant

    known = folders(models_dirs)
    if models is None:
        chosen = list_known_models(known)
        if accelerator == "cuda":
            chosen = [model for model in chosen if has_cuda_variant(model)]
    else:
        named = several(models)
        names = [name for name in named if name != EVALUATOR]
        chosen = list(find_models(names, known).values())
    for sentence in hidden_known_models(known, [model.name for model in chosen]):
        tell(Noted(sentence))
    with_evaluator = accelerator == "cpu" if models is None else EVALUATOR in several(models)
    wanted = [variant(model, accelerator) for model in chosen]
    if with_evaluator:
        wanted.append(EvaluatorSpec.load())
    return build_models(wanted, base=base, no_cache=no_cache, tell=tell, verbose=verbose)


def check(
    model: str | None = None,
    options: SuiteOptions | None = None,
    *,
    image: str | None = None,
    model_yaml: Path | None = None,
    models_dirs: Folders = (),
    engine: str | None = None,
    tell: Tell = silent,
    show: Callable[[CheckResult], None] = silent,
) -> CheckReport:
    """Check a model on tiny and on hostile data, telling each result at once.

    Parameters
    ----------
    model
        Its name, or its folder.
    image, model_yaml
        An image instead, as it is, and the file that describes it.
    engine
        By default that of ``MULTIVERSE_ENGINE``, or the best there is; an image needs Docker.

    Raises
    ------
    UsageError, EngineError
        Before a check is made. What a run does wrong is in the report.
    """
    from multiverse.conformance import SuiteOptions, check_model, find_target
    from multiverse.engines.choice import choose_engine, named_engine

    target = find_target(
        model, image=image, model_yaml=model_yaml, models_dirs=folders(models_dirs)
    )
    chosen = options or SuiteOptions()
    if image is not None:
        chosen = replace(chosen, build=False)
    if model is not None:
        for sentence in hidden_models(models_dirs, [target.name]):
            tell(Noted(sentence))
    place = choose_engine("docker" if image is not None else named_engine(engine), tell)
    tell(Noted(f"checking {target.name} {target.version} on tiny and on hostile data"))
    return check_model(target, place, chosen, tell=tell, show=show)


def new_model(name: str, into: Path = Path()) -> Path:
    """Write the folder of a new model, ready to run, and return its path.

    Raises :class:`UsageError` for a name that can't be a model's, and :class:`ResultsError` where
    the folder can't be written.
    """
    from multiverse.scaffold import write_model_folder

    return write_model_folder(name, into)
