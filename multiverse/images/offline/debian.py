"""A base image made from Debian packages, for machines that reach no container registry.

It holds Python 3.11 like ``python:3.11-slim-bookworm``, and comes from the mirror that the
machine's own apt uses, verified with Debian's keys.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from multiverse.errors import BuildError
from multiverse.events import Noted, Tell
from multiverse.images.docker_cli import DockerCli

IMAGE = "multiverse-debian:bookworm"
SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
#: Names the mirror where the machine's own apt is not Debian's, or should not be used.
MIRROR_VARIABLE = "MULTIVERSE_DEBIAN_MIRROR"

_TARGET_FORMAT = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
#: Left by the installation and of no use in a container; the last two name this machine.
_LEFTOVERS = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "etc/resolv.conf",
    "etc/hostname",
)


def why_impossible() -> str | None:
    """Return what this machine lacks to make the image; None if nothing."""
    if os.geteuid() != 0:
        return "debootstrap needs root"
    if shutil.which("debootstrap", path=_search_path()) is None:
        return "debootstrap is not installed"
    if not KEYRING.is_file():
        return "Debian's keys are missing (package debian-archive-keyring)"
    return None


def mirror_of_host(environ: Mapping[str, str] | None = None) -> str:
    """Return the Debian mirror of this machine's apt; :class:`BuildError` if it has none."""
    environ = os.environ if environ is None else environ
    if chosen := environ.get(MIRROR_VARIABLE):
        return chosen
    try:
        done = subprocess.run(
            ["apt-get", "indextargets", "--format", _TARGET_FORMAT],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise _no_mirror(f"apt-get indextargets failed: {error}") from error
    if mirror := pick_mirror(done.stdout):
        return mirror
    raise _no_mirror("this machine's apt knows no Debian mirror")


def pick_mirror(targets: str) -> str | None:
    """Return the best mirror of apt's index targets, one a line: the suite's own, else any.

    The security archive is no mirror. Before the first ``apt-get update`` apt does not know an
    archive's origin; then the name of the suite in the sources decides.
    """
    best: dict[int, str] = {}
    for line in targets.splitlines():
        origin, label, codename, release, component, uri = [*line.split("|"), *[""] * 6][:6]
        if component != "main" or not uri.startswith(("http://", "https://", "file:")):
            continue
        if (origin, label) == ("Debian", "Debian"):
            best.setdefault(0 if codename == SUITE else 1, uri)
        elif not origin and release == SUITE:
            best.setdefault(2, uri)
    return best[min(best)] if best else None


def make_image(docker: DockerCli, tell: Tell) -> None:
    """Make :data:`IMAGE`; takes one to two minutes.

    Raises :class:`BuildError` when the machine lacks something or debootstrap fails.
    """
    if reason := why_impossible():
        raise BuildError(
            f"can't make a base image from Debian packages: {reason}",
            remedy="as root: apt-get install debootstrap debian-archive-keyring",
        )
    mirror = mirror_of_host()
    words = "from Debian packages: a minute or two, only the first time."
    tell(Noted(f"Making {IMAGE} {words}"))
    with tempfile.TemporaryDirectory(prefix="multiverse-debian-") as scratch:
        root = Path(scratch, "root")
        _debootstrap(root, mirror, Path(scratch, "debootstrap.log"))
        _clean(root, mirror)
        with subprocess.Popen(
            ["tar", "-C", str(root), "--numeric-owner", "-c", "."],  # noqa: S607
            stdout=subprocess.PIPE,
        ) as tar:
            if tar.stdout is None:
                raise BuildError("tar gave no output")
            docker.import_root(tar.stdout.fileno(), IMAGE, ["ENV LANG=C.UTF-8"])
        if tar.returncode != 0:
            raise BuildError(f"tar of the Debian root ended with exit code {tar.returncode}")


def _debootstrap(root: Path, mirror: str, log: Path) -> None:
    command = ["debootstrap", "--force-check-gpg", "--variant=minbase", f"--keyring={KEYRING}"]
    command += [f"--include={','.join(PACKAGES)}", SUITE, str(root), mirror]
    with log.open("w") as stream:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": _search_path()},
            check=False,
        )
    if done.returncode != 0:
        lines = "\n".join(f"  {line}" for line in log.read_text().splitlines()[-15:])
        raise BuildError(
            f"debootstrap ended with exit code {done.returncode}:\n{lines}",
            remedy=f"see whether apt-get update works, or name a mirror in {MIRROR_VARIABLE}",
        )


def _clean(root: Path, mirror: str) -> None:
    """Drop what is not needed, what names this machine, and what may hold a password."""
    for name in _LEFTOVERS:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.unlink(missing_ok=True)
    parts = urlsplit(mirror)
    if parts.username:
        plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        (root / "etc/apt/sources.list").write_text(f"deb {plain} {SUITE} main\n")


def _search_path() -> str:
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def _no_mirror(message: str) -> BuildError:
    return BuildError(message, remedy=f"name one: {MIRROR_VARIABLE}=http://… multiverse build …")
