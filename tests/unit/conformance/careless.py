"""A model that breaks one promise at a time: the misbehaving model with more behaviours."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from multiverse.conformance import CheckReport, CheckResult, SuiteOptions, check_model
from multiverse.engines.protocol import Engine
from multiverse.specs.model import ModelSpec
from tests.conftest import TEST_MODELS

MORE = Path(__file__).with_name("misbehaviour.py")
NAME = "careless"


def careless_model(
    folder: Path, needs: str = "optional: [rna, atac, adt]", *, mosaic: bool = True
) -> ModelSpec:
    """Its folder, below ``folder``; ``needs`` are its modalities in model.yaml."""
    target = folder / NAME
    shutil.copytree(TEST_MODELS / "naughty", target)
    description = (target / "model.yaml").read_text()
    description = description.replace("name: naughty", f"name: {NAME}")
    description = description.replace("test-naughty", "test-careless")
    description = re.sub(r"(?m)^modalities: .*$", f"modalities: {{{needs}}}", description)
    (target / "model.yaml").write_text(f"{description}mosaic: {str(mosaic).lower()}\n")
    program = target / "__main__.py"
    own, entry, run = program.read_text().partition('if __name__ == "__main__":')
    program.write_text(own + MORE.read_text() + "\n\n" + entry + run)
    return ModelSpec.load(target)


def check(
    model: ModelSpec,
    engine: Engine,
    behaviour: str,
    *names: str,
    amount: float = 8,
    device: str = "cpu",
) -> CheckReport:
    """The named checks (all without names) of one behaviour."""
    told: list[CheckResult] = []
    options = SuiteOptions(
        only=names,
        parameters={"behaviour": behaviour, "amount": amount},
        device=device,
        time_limit=60,
    )
    report = check_model(model, engine, options, say=lambda _line: None, tell=told.append)
    assert tuple(told) == report.results
    return report
