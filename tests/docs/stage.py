"""A folder in which the blocks of a page are followed, as their reader would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import REPOSITORY
from tests.docs.pages import Block

TIME_LIMIT = 900
#: What stands on a page for the folder in which its blocks are followed.
FOLDER = "/your/folder"
_PROGRAM = """\
#!/bin/sh
if [ "$1" = run ] && [ -n "$DOCS_DRY_RUN" ]; then set -- "$@" --dry-run; fi
exec "{python}" -m multiverse "$@"
"""
#: Reads blocks of Python, one JSON text a line, and runs them one after the other, as a notebook
#: does: names stay, and the value of a last expression is printed.
_NOTEBOOK = """\
import ast, json, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    try:
        tree = ast.parse(json.loads(line))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "block", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "block", "eval"), names)
            if value is not None:
                print(value)
        state = "done"
    except BaseException:
        traceback.print_exc()
        state = "failed"
    print("\\n=== " + state, flush=True)
"""


class Failed(AssertionError):
    """A block did not do what its page says."""


@dataclass
class Stage:
    """A folder, with datasets and caches of its own, and one notebook for all blocks of Python."""

    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    #: Digests that pages show, and what they stand for here.
    digests: dict[str, str] = field(default_factory=dict)
    _notebook: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        for folder in (self.work, self.root / "bin"):
            folder.mkdir(parents=True, exist_ok=True)
        program = self.root / "bin" / "multiverse"
        program.write_text(_PROGRAM.format(python=sys.executable))
        program.chmod(0o755)

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._notebook is not None:
            self._notebook.kill()
            self._notebook.wait()

    def copy(self, root: Path) -> Stage:
        """Return a stage with the same files, datasets and digests.

        A local store of MLflow names its files by their full path, so it stays behind.
        """
        skip = shutil.ignore_patterns("mlflow.db", ".mlflow-artifacts")
        shutil.copytree(self.root, root, symlinks=True, ignore=skip, dirs_exist_ok=True)
        return Stage(root, self.variables, dict(self.digests))

    def follow(self, block: Block) -> str:
        """Do what a block says; what it printed, with :data:`FOLDER` for the folder.

        Raises :class:`Failed` if a command of a shell block or a block of Python failed. A
        command after a prompt may fail, for its page shows what it said.
        """
        text = self._with_digests(block.text)
        if block.language == "python":
            printed = self._python(text)
        elif block.language == "console":
            printed = "".join(
                f"$ {command}\n{self._shell(command, block, may_fail=True)}"
                for command in commands(text)
            )
        else:
            printed = self._shell(text, block)
        return printed.replace(str(self.work), FOLDER)

    def _with_digests(self, text: str) -> str:
        """A run's id on a page, or its first digits, stands for that of the run made here."""

        def here(found: re.Match[str]) -> str:
            digits = found.group()
            for shown, real in self.digests.items():
                if shown.startswith(digits):
                    return real[: len(digits)]
            return digits

        return re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{4,16}\b", here, text)

    def _environment(self, block: Block | None = None) -> dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MULTIVERSE_", "MLFLOW_", "MAKE", "MFLAGS"))
            and name != "COLUMNS"
        }
        paths = (self.root / "bin", Path(sys.executable).parent)
        environment["PATH"] = os.pathsep.join([*map(str, paths), environment["PATH"]])
        environment["PYTHONPATH"] = str(REPOSITORY)
        environment["MULTIVERSE_HOME"] = str(self.home)
        environment["MULTIVERSE_CACHE"] = str(self.root / "cache")
        if block is not None and block.mark == "dry run":
            environment["DOCS_DRY_RUN"] = "1"
        return {**environment, **self.variables}

    def _shell(self, script: str, block: Block, *, may_fail: bool = False) -> str:
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", script],
            cwd=self.work,
            env=self._environment(block),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIME_LIMIT,
        )
        if "Traceback" in done.stdout or (done.returncode and not may_fail):
            raise Failed(f"line {block.line}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def _python(self, text: str) -> str:
        if self._notebook is None:
            self._notebook = subprocess.Popen(
                [sys.executable, "-u", "-W", "ignore", "-c", _NOTEBOOK],
                cwd=self.work,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        book = self._notebook
        assert book.stdin is not None
        assert book.stdout is not None
        book.stdin.write(json.dumps(text) + "\n")
        book.stdin.flush()
        printed = ""
        for line in book.stdout:
            if line.startswith("=== "):
                if line != "=== done\n":
                    raise Failed(printed)
                return printed.removesuffix("\n")
            printed += line
        raise Failed(f"Python has ended\n{printed}")


def commands(text: str) -> list[str]:
    """Return the commands after a prompt, with the lines that continue them."""
    joined = re.sub(r"\\\n\s*(?:> )?", "", text)
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]
