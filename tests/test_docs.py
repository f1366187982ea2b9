"""The documents say what the program does: generated pages, examples, links and command lines."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

import multiverse.api
from multiverse.cli.parser import make_parser
from multiverse.cli.schema import schema_of
from multiverse.contract import JobSpec, OutputFiles
from multiverse.contract.curves import read_curves
from multiverse.specs.benchmark import Benchmark
from multiverse.specs.model import ModelSpec, ModelYaml
from tests.docs.pages import DOCS, blocks_of, name_of, pages, prose_of
from tests.docs.stage import commands
from tests.test_fences import MAY_IMPORT

EXAMPLE = DOCS / "examples" / "nmf"
PAGES = pages()
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`(multiverse [^`]+)`")


def blocks(page: Path, *languages: str) -> Iterator[str]:
    return (block.text for block in blocks_of(page) if block.language in languages)


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def yaml_examples() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{name_of(page)}-{number}", YAML(typ="safe", pure=True).load(text))
        for page in PAGES
        for number, text in enumerate(blocks(page, "yaml"))
    ]


def command_lines(page: Path) -> Iterator[str]:
    """Every ``multiverse …`` of a page: in shell blocks, after a prompt, or in running text."""
    for text in blocks(page, "sh"):
        yield from text.replace("\\\n", " ").splitlines()
    for text in blocks(page, "console"):
        yield from commands(text)
    prose = prose_of(page)
    # A placeholder or an ellipsis makes a pattern of it, not a command.
    yield from (line for line in _INLINE.findall(prose) if not re.search(r"[<…]", line))


def multiverse_commands() -> list[tuple[str, list[str]]]:
    found = []
    for page in PAGES:
        for line in command_lines(page):
            words = shlex.split(line, comments=True)
            if words[:1] == ["multiverse"]:
                found.append((name_of(page), words[1:]))
    return found


@pytest.mark.parametrize("name", sorted(map(str, load_generator().generated())))
def test_generated_files_are_what_the_generator_makes_now(name: str) -> None:
    wanted = load_generator().generated()[Path(name)]
    assert (DOCS / name).read_text(encoding="utf-8") == wanted, "run docs/generate.py"


@pytest.mark.parametrize(("name", "content"), yaml_examples())
def test_yaml_examples_are_valid(name: str, content: dict[str, Any]) -> None:
    kind = "model" if "image" in content else "benchmark"
    errors = list(Draft202012Validator(schema_of(kind)).iter_errors(content))
    assert not errors, errors
    (ModelYaml if kind == "model" else Benchmark).model_validate(content)


def test_there_are_examples_of_both_files() -> None:
    kinds = {"image" in content for _, content in yaml_examples()}
    assert kinds == {True, False}


def test_the_benchmark_example_has_every_key() -> None:
    (text, *_) = blocks(DOCS / "benchmark-file.md", "yaml")
    content = YAML(typ="safe", pure=True).load(text)
    definitions = schema_of("benchmark")["$defs"]
    assert set(content) == set(Benchmark.model_fields)
    assert set(content["resources"]) == set(definitions["ResourceLimits"]["properties"])
    for key, kind in (("datasets", "DatasetEntry"), ("models", "ModelEntry")):
        keys = {name for entry in content[key] if isinstance(entry, dict) for name in entry}
        assert keys == set(definitions[kind]["properties"])


def test_the_contract_alone_has_json() -> None:
    """Its two blocks are read below."""
    with_json = [name_of(page) for page in PAGES for _ in blocks(page, "json")]
    assert with_json == ["docs/MODEL_CONTAINER_CONTRACT.md"] * 2


def test_the_job_of_the_contract_is_one() -> None:
    _, text = blocks(DOCS / "MODEL_CONTAINER_CONTRACT.md", "json")
    assert JobSpec.model_validate_json(text).model_name == "pca"


def test_the_axes_of_the_contract_are_read(tmp_path: Path) -> None:
    text, _ = blocks(DOCS / "MODEL_CONTAINER_CONTRACT.md", "json")
    (tmp_path / "metrics.json").write_text(text)
    elbo, variance = read_curves(OutputFiles(tmp_path))
    assert (elbo.per, elbo.numbers) == ("iteration", [1, 6, 11])
    assert (variance.per, variance.numbers) == ("factor", [1, 2])


@pytest.mark.parametrize(
    ("file", "language"),
    [("model.yaml", "yaml"), ("__main__.py", "python"), ("Dockerfile", "dockerfile")],
)
def test_the_guide_shows_the_files_of_the_example(file: str, language: str) -> None:
    page = DOCS / "ADDING_A_MODEL.md"
    assert (EXAMPLE / file).read_text(encoding="utf-8") in blocks(page, language)


def test_the_guide_shows_the_dockerfile_of_the_model_in_r() -> None:
    text = (DOCS / "examples" / "r-pca" / "Dockerfile").read_text(encoding="utf-8")
    assert text in blocks(DOCS / "MODEL_CONTAINERS.md", "dockerfile")


def test_the_example_is_a_model() -> None:
    model = ModelSpec.load(EXAMPLE)
    assert model.defaults("parameters")["n_components"] == 10


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_examples_compile(page: Path) -> None:
    for text in blocks(page, "python"):
        compile(text, name_of(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_of_the_api_are_there(page: Path) -> None:
    named = re.findall(r"multiverse\.api\.(\w+)", page.read_text(encoding="utf-8"))
    assert [name for name in named if name not in multiverse.api.__all__] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(prose_of(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = page.parent / path if path else page
        assert place.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(place), f"{target}: there is no such heading"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as Git forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "words"), multiverse_commands())
def test_command_lines_parse(page: str, words: list[str]) -> None:
    try:
        make_parser().parse_args(words)
    except SystemExit as end:
        assert end.code == 0, f"{page}: multiverse {shlex.join(words)}"  # noqa: PT017


def test_command_lines_are_found() -> None:
    commands = {words[0] for _, words in multiverse_commands()}
    assert commands >= {
        "run", "register", "build", "models", "datasets", "runs", "show", "check", "new-model",
    }  # fmt: skip


def test_the_map_of_rooms_is_the_one_that_is_held() -> None:
    rows = re.findall(
        r"^\| `(\w+)[./][^|]*\|[^|]*\| ([^|]+) \|$",
        (DOCS / "architecture.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    shown = {room: set(words.split(", ")) - {"nothing"} for room, words in rows}
    assert shown == {**MAY_IMPORT, "errors": set()}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_name_no_place_of_one_machine(page: Path) -> None:
    assert not re.search(r"/(work|home|root|Users)/", page.read_text(encoding="utf-8"))
