"""The Dockerfiles and ``environment.yml`` of the models and the evaluator, from one template each.

``python -m multiverse.images.dockerfiles`` writes them anew. Each folder holds its own, whole, so
that it builds by hand and alone; a change that concerns all of them is one edit of
``images/model/``. A line of a template that begins with ``[cuda]`` is for models with a CUDA
variant, ``[cpu]`` for those without; ``[torch]`` for those that need PyTorch's own index;
``[model]`` for models, ``[evaluator]`` for the evaluator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from multiverse.images.locks import needs_pytorch_index
from multiverse.images.sdk import PACKAGE
from multiverse.images.stacks import stack_for
from multiverse.specs.accelerator import has_cuda_variant
from multiverse.specs.evaluator import EvaluatorSpec
from multiverse.specs.model import ModelSpec

TEMPLATES = Path(__file__).resolve().parent / "model"
_TAGGED = re.compile(r"\[([a-z]+)\] (.*)", re.DOTALL)


def rendered() -> dict[Path, str]:
    """Return every file that follows from a template, with the text it should have."""
    return {
        path: render(model, path)
        for model in templated_models()
        for path in (model.dockerfile, model.folder / "environment.yml")
    }


def templated_models() -> Iterator[ModelSpec]:
    """Yield every model of the package, and the evaluator."""
    for path in sorted(PACKAGE.glob("models/*/model.yaml")):
        yield ModelSpec.load(path.parent)
    yield EvaluatorSpec.load()


def render(model: ModelSpec, path: Path) -> str:
    """Return the text of one of the model's files; its first line is the model's own."""
    template = (TEMPLATES / f"{path.name}.template").read_text(encoding="utf-8")
    text = "".join(_lines(template, _tags(model)))
    values = {
        "title": _first_line(path, f"# The image of the model {model.name}."),
        "name": model.name,
        "image": model.yaml.image,
        "place": model.place.as_posix(),
        "module": model.module,
        "stack": stack_for(model.requirements).name,
    }
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _lines(template: str, tags: set[str]) -> Iterator[str]:
    for line in template.splitlines(keepends=True):
        tagged = _TAGGED.fullmatch(line)
        if tagged is None:
            yield line
        elif tagged[1] in tags:
            yield tagged[2]


def _tags(model: ModelSpec) -> set[str]:
    tags = {"evaluator" if isinstance(model, EvaluatorSpec) else "model"}
    tags.add("cuda" if has_cuda_variant(model) else "cpu")
    return {*tags, "torch"} if needs_pytorch_index(model.requirements) else tags


def _first_line(path: Path, default: str) -> str:
    if not path.is_file():
        return default
    return path.read_text(encoding="utf-8").partition("\n")[0]


def main() -> None:
    """Write the files that differ from their template."""
    for path, text in rendered().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(PACKAGE.parent))  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
