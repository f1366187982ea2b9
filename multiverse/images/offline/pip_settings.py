"""The host's pip settings: where packages come from, and which certificates are trusted.

A hospital behind a proxy, a cluster with a mirror, a laptop with a folder of wheels: each has told
pip once. Builds of images and of environments follow the same settings, as pip documents them
(https://pip.pypa.io/en/stable/topics/configuration/): files of the machine, the user and the
environment, then ``PIP_*`` variables; a command's section wins over ``[global]``.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import platformdirs

#: Bundles of certificates as the families of Linux name them.
SYSTEM_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
)
_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TRUE = frozenset({"1", "yes", "y", "true", "t", "on"})


@dataclass(frozen=True)
class PipSettings:
    """Those of pip's settings that say where packages come from. Others never reach a build."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False
    proxy: str | None = None
    timeout: str | None = None
    retries: str | None = None
    ca_bundle: Path | None = None
    client_cert: Path | None = None

    @classmethod
    def of_host(
        cls, environ: Mapping[str, str] | None = None, files: Sequence[Path] | None = None
    ) -> PipSettings:
        """Return pip's settings here. ``files``: lowest precedence first, default pip's own."""
        environ = os.environ if environ is None else environ
        values: dict[str, str] = {}
        for section in ("global", "install"):
            for file in pip_files(environ) if files is None else files:
                values.update(_section(file, section))
        values.update(
            (_option(name.removeprefix("PIP_")), text)
            for name, text in environ.items()
            if name.startswith("PIP_") and text
        )
        return cls(
            index_url=values.get("index-url"),
            extra_index_urls=tuple(values.get("extra-index-url", "").split()),
            find_links=tuple(values.get("find-links", "").split()),
            trusted_hosts=tuple(values.get("trusted-host", "").split()),
            no_index=values.get("no-index", "").lower() in _TRUE,
            proxy=values.get("proxy"),
            timeout=values.get("timeout", values.get("default-timeout")),
            retries=values.get("retries"),
            ca_bundle=_ca_bundle(values.get("cert"), environ),
            client_cert=_existing(values.get("client-cert")),
        )

    def render(self) -> str:
        """Return the text of a ``pip.conf`` with these settings, certificates left out."""
        options = {
            "index-url": self.index_url,
            "extra-index-url": "\n".join(self.extra_index_urls),
            "find-links": "\n".join(self.find_links),
            "trusted-host": "\n".join(self.trusted_hosts),
            "no-index": "true" if self.no_index else None,
            "proxy": self.proxy,
            "timeout": self.timeout,
            "retries": self.retries,
            "disable-pip-version-check": "true",
        }
        file = configparser.RawConfigParser()
        file["global"] = {name: text for name, text in options.items() if text}
        stream = StringIO()
        file.write(stream)
        return stream.getvalue()

    def uv_arguments(self) -> list[str]:
        """Return the same settings for uv, which doesn't read pip's; the rest is its environment.

        Locks name each file by its hash, so that the best match over all indexes is safe.
        """
        arguments = ["--index-strategy", "unsafe-best-match"]
        for host in self.trusted_hosts:
            arguments += ["--allow-insecure-host", host]
        if self.no_index:
            arguments.append("--no-index")
        return arguments

    def uv_environment(self) -> dict[str, str]:
        """Return variables for uv: origins, certificates, proxy and patience.

        An address may hold a password, and all users of a machine see the arguments of a process.
        """
        variables: dict[str, str] = {}
        if self.index_url:
            variables["UV_DEFAULT_INDEX"] = self.index_url
        if self.extra_index_urls:
            variables["UV_INDEX"] = " ".join(self.extra_index_urls)
        if self.find_links:
            variables["UV_FIND_LINKS"] = ",".join(map(_without_comma, self.find_links))
        if self.ca_bundle is not None:
            variables["SSL_CERT_FILE"] = str(self.ca_bundle)
        if self.client_cert is not None:
            variables["SSL_CLIENT_CERT"] = str(self.client_cert)
        if self.proxy:
            variables |= {"HTTPS_PROXY": self.proxy, "HTTP_PROXY": self.proxy}
        if self.timeout:
            variables["UV_HTTP_TIMEOUT"] = self.timeout
        return variables


def pip_files(environ: Mapping[str, str]) -> list[Path]:
    """Return the configuration files that pip would read here, lowest precedence first."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    machine = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
    ]
    user = [Path.home() / ".pip/pip.conf", platformdirs.user_config_path("pip") / "pip.conf"]
    site = Path(environ.get("VIRTUAL_ENV", sys.prefix)) / "pip.conf"
    if chosen and Path(chosen).exists():
        return [*machine, site, Path(chosen)]
    return [*machine, *user, site]


def local_path(place: str) -> Path | None:
    """Return the folder or file that an index or find-links entry names; None if elsewhere."""
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if "://" in place else Path(place).expanduser().absolute()


def _without_comma(place: str) -> str:
    """Return the same place as one entry of a list that commas separate."""
    path = local_path(place)
    if "," in place and path is not None:
        return path.as_uri().replace(",", "%2C")
    return place.replace(",", "%2C")


def _option(name: str) -> str:
    return name.lower().removeprefix("--").replace("_", "-")


def _section(file: Path, section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        # pip itself stops at such a file and says why; a build must not depend on it.
        return {}
    return {_option(k): v for k, v in parser[section].items()} if section in parser else {}


def _existing(path: str | None) -> Path | None:
    found = Path(path).expanduser() if path else None
    return found if found is not None and found.is_file() else None


def _ca_bundle(cert: str | None, environ: Mapping[str, str]) -> Path | None:
    named = [cert, *(environ.get(name) for name in _BUNDLE_VARIABLES)]
    for candidate in [*named, *(str(path) for path in SYSTEM_BUNDLES)]:
        if found := _existing(candidate):
            return found
    return None


if __name__ == "__main__":
    # For locking, see scripts/lock.
    settings = replace(PipSettings.of_host(), extra_index_urls=())
    variables = (f"{name}={text}" for name, text in settings.uv_environment().items())
    lines = variables if sys.argv[1:] == ["variables"] else settings.uv_arguments()
    print(*lines, sep="\n")  # noqa: T201
