"""How long the images of all models take to build, and how large they are.

Three builds of all six in one run, so that a busy machine meets all alike: cold (every layer anew;
packages come from the builder's download cache if it has them), warm (nothing changed), and after
an edit of the worker SDK, in a copy of the package. Then the bytes of each image, and of all six
together, where a shared layer counts once.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from multiverse.images.docker_cli import DockerCli, find_docker
from multiverse.images.sdk import PACKAGE
from multiverse.images.stacks import BASE, Stack, stack_for
from multiverse.registry.models import list_models

RESULTS = Path(__file__).resolve().parent / "results" / "builds.json"
BUILD = "from multiverse.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
TARGET_SECONDS = 30.0


def timed_build(folder: Path, *options: str) -> float:
    """Wall seconds of building all models of the package that lies in ``folder``."""
    started = time.monotonic()
    command = [sys.executable, "-c", BUILD, "build", "--all", *options]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def copied_package(folder: Path) -> Path:
    """A copy of the package whose images have names of their own; returns the worker's module."""
    copy = folder / "multiverse"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for yaml in copy.glob("models/*/model.yaml"):
        text = yaml.read_text(encoding="utf-8")
        yaml.write_text(text.replace("image: multiverse-", "image: multiverse-benchmark-"))
    return copy / "worker" / "__init__.py"


def edit_seconds() -> float:
    """Wall seconds of building all models after a change of the worker."""
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as scratch:
        worker = copied_package(Path(scratch))
        timed_build(Path(scratch))
        stamp = datetime.now(UTC).isoformat()
        worker.write_text(f"{worker.read_text(encoding='utf-8')}\n# edited {stamp}\n")
        return timed_build(Path(scratch))


def size(docker: DockerCli, tag: str) -> int:
    """Bytes of an image with all its layers."""
    found = docker.image(tag)
    if found is None:
        raise SystemExit(f"{tag} is not here: run make build-all first")
    return found.size


def sizes(docker: DockerCli) -> dict[str, dict[str, int]]:
    """Of each image, stack and model: all its bytes, and those that its parent doesn't have."""
    found: dict[str, dict[str, int]] = {}

    def add(tag: str, parent: Stack | None) -> None:
        total = size(docker, tag)
        own = total - (size(docker, parent.tag) if parent else 0)
        found[tag] = {"bytes": total, "own_bytes": own}
        if parent and parent.tag not in found:
            add(parent.tag, parent.parent)

    for model in list_models([]):
        add(model.image_tag, stack_for(model.requirements))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-cold", action="store_true", help="leave out the build from nothing")
    arguments = parser.parse_args()
    repository = PACKAGE.parent
    seconds = {} if arguments.no_cold else {"cold": timed_build(repository, "--no-cache")}
    timed_build(repository)
    seconds["warm"] = timed_build(repository)
    seconds["sdk_edit"] = edit_seconds()
    found = sizes(find_docker())
    unique = sum(entry["own_bytes"] for entry in found.values())
    models = [model.image_tag for model in list_models([])]
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "over_warm": {name: round(s / seconds["warm"], 1) for name, s in seconds.items()},
        "unique_bytes": unique,
        "bytes_without_sharing": sum(found[tag]["bytes"] for tag in models),
        "images": dict(sorted(found.items())),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=2))
    return int(seconds["sdk_edit"] > TARGET_SECONDS or BASE.tag not in found)


if __name__ == "__main__":
    sys.exit(main())
