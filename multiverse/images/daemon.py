"""A client of the Docker daemon that the Docker SDK for Python would use."""

from __future__ import annotations

from typing import Any


def connect(seconds: int, version: str = "auto") -> Any:
    """Return a low-level client that waits at most that long for an answer.

    ``version`` of the daemon's interface; ``auto`` asks the daemon for its newest.

    Raises what the SDK raises (``docker.errors.DockerException``) where no daemon answers. One
    client a thread: its sessions are not made to be shared.
    """
    from docker import APIClient
    from docker.utils import kwargs_from_env

    client = APIClient(version=version, timeout=seconds, **kwargs_from_env())
    if client.base_url.startswith("http+docker:"):
        # A socket of this machine has no proxy. To look for one in the environment, again with
        # each question, takes longer than all the rest of a short one.
        client.trust_env = False
        _share_connections(client)
    return client


def _share_connections(client: Any) -> None:
    """Let all questions of a client have the same pool of connections to its socket.

    The SDK makes a pool, and with it a connection, for each address that is asked for: every
    container has addresses of its own.
    """
    adapter = client.get_adapter(client.base_url)
    pool_for = adapter.get_connection
    adapter.get_connection = lambda _url, proxies=None: pool_for(client.base_url, proxies)
