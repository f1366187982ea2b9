"""Package folders of this machine, served to a build for as long as it lasts.

A build sees neither the host's files nor, without copying gigabytes into its context, a folder of
wheels. Over loopback HTTP it fetches just the files it installs.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from multiverse.images.offline.pip_settings import PipSettings, local_path

#: What an index consists of; nothing else below a served folder is handed out.
_SERVED = frozenset({".whl", ".gz", ".zip", ".bz2", ".xz", ".metadata", ".html", ".json", ".asc"})


class _Handler(SimpleHTTPRequestHandler):
    """Lists folders and serves distributions below ``/<token>/``; anything else is not found."""

    def __init__(self, *arguments: object, token: str, **options: object) -> None:
        self._token = token
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def send_head(self) -> BytesIO | BinaryIO | None:
        path = PurePosixPath(unquote(urlsplit(self.path).path))
        below = path.parts[2:] if path.parts[1:2] == (self._token,) else ()
        is_folder = Path(self.translate_path(self.path)).is_dir()
        if not below or not (is_folder or path.suffix in _SERVED):
            self.send_error(404)
            return None
        return super().send_head()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Log nothing: the build's log already says what was fetched."""


@contextmanager
def served(settings: PipSettings) -> Iterator[PipSettings]:
    """Serve every local folder on this machine's loopback; yield settings with its address.

    The address holds a random token: other users of the machine can't guess it. A folder of
    wheels is served alone. An index, and a page of links, is served with the folder it lies in,
    because pages name files relative to themselves. Places that don't exist are left out, as pip
    would only warn about them.
    """
    places = [*settings.extra_index_urls, *settings.find_links, settings.index_url or ""]
    if not any(place and local_path(place) for place in places):
        yield settings
        return
    token = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="multiverse-wheels-") as scratch:
        root = Path(scratch, token)
        root.mkdir()
        handler = partial(_Handler, token=token, directory=scratch)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            address = f"http://127.0.0.1:{server.server_port}/{token}"
            try:
                yield _with_addresses(settings, root, address)
            finally:
                server.shutdown()
                thread.join()


def without_local(settings: PipSettings) -> PipSettings:
    """Return the settings without this machine's folders, for a daemon on another one."""
    return replace(
        settings,
        index_url=None if _is_local(settings.index_url) else settings.index_url,
        extra_index_urls=tuple(u for u in settings.extra_index_urls if not _is_local(u)),
        find_links=tuple(u for u in settings.find_links if not _is_local(u)),
    )


def _is_local(place: str | None) -> bool:
    return place is not None and local_path(place) is not None


def _with_addresses(settings: PipSettings, root: Path, address: str) -> PipSettings:
    def linked(folder: Path) -> str:
        number = sum(1 for _ in root.iterdir())
        (root / str(number)).symlink_to(folder)
        return f"{address}/{number}/"

    def with_parent(place: str) -> str | None:
        path = local_path(place)
        if path is None:
            return place
        if not path.exists():
            return None
        return linked(path.parent) + quote(path.name) + ("/" if path.is_dir() else "")

    def alone(place: str) -> str | None:
        path = local_path(place)
        return linked(path) if path is not None and path.is_dir() else with_parent(place)

    def all_moved(move: Callable[[str], str | None], places: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new for new in map(move, places) if new is not None)

    return replace(
        settings,
        index_url=with_parent(settings.index_url) if settings.index_url else None,
        extra_index_urls=all_moved(with_parent, settings.extra_index_urls),
        find_links=all_moved(alone, settings.find_links),
    )
