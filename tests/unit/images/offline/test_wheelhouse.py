from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from multiverse.images.offline.pip_settings import PipSettings
from multiverse.images.offline.wheelhouse import served, without_local


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        return str(answer.read().decode())


def status(url: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(url)
    return caught.value.code


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A static index whose pages name files beside the index, and a secret beside both."""
    page = tmp_path / "simple" / "thing" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="../../files/thing-1-py3-none-any.whl">thing</a>')
    wheel = tmp_path / "files" / "thing-1-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_text("wheel")
    (tmp_path / "id_rsa").write_text("secret")
    return tmp_path / "simple"


def test_an_index_and_the_files_beside_it_are_reachable(index: Path) -> None:
    with served(PipSettings(extra_index_urls=(index.as_uri(),))) as settings:
        (url,) = settings.extra_index_urls
        page = urljoin(url, "thing/")

        assert urlsplit(url).hostname == "127.0.0.1"
        assert "thing-1" in fetch(page)
        assert fetch(urljoin(page, "../../files/thing-1-py3-none-any.whl")) == "wheel"


def test_nothing_else_is_handed_out(index: Path) -> None:
    with served(PipSettings(index_url=index.as_uri())) as settings:
        assert settings.index_url is not None
        root = settings.index_url.partition("/simple")[0]
        server = root.rsplit("/", 2)[0]

        assert status(f"{root}/id_rsa") == 404
        assert status(server + "/") == 404
        assert status(f"{server}/guess/0/simple/") == 404
        assert status(f"{root}/../../../etc/passwd") == 404


def test_what_lies_beside_a_folder_of_wheels_is_not_handed_out(index: Path) -> None:
    (index.parent / "other-1-py3-none-any.whl").write_text("not for this build")
    with served(PipSettings(find_links=(str(index.parent / "files"),))) as settings:
        (url,) = settings.find_links
        wheel, sibling = "thing-1-py3-none-any.whl", "other-1-py3-none-any.whl"

        assert fetch(urljoin(url, wheel)) == "wheel"
        for address in (urljoin(url, f"../{sibling}"), f"{url}../{sibling}", f"{url}{sibling}"):
            assert status(address) == 404
        assert status(urljoin(url, "../simple/thing/")) == 404


def test_a_page_of_links_names_files_beside_itself(index: Path) -> None:
    page = index.parent / "my links.html"
    page.write_text('<a href="files/thing-1-py3-none-any.whl">thing</a>')
    with served(PipSettings(find_links=(page.as_uri(),))) as settings:
        (url,) = settings.find_links

        assert "thing-1" in fetch(url)
        assert fetch(urljoin(url, "files/thing-1-py3-none-any.whl")) == "wheel"


def test_the_server_ends_with_the_block(index: Path) -> None:
    with served(PipSettings(find_links=(str(index.parent / "files"),))) as settings:
        (url,) = settings.find_links
        assert "thing-1-py3-none-any.whl" in fetch(url)

    with pytest.raises(urllib.error.URLError):
        fetch(url)


def test_addresses_of_others_and_missing_folders(index: Path) -> None:
    settings = PipSettings(
        extra_index_urls=("https://mirror.invalid/simple",),
        find_links=(str(index.parent / "gone"), str(index.parent / "files")),
    )
    with served(settings) as changed:
        assert changed.extra_index_urls == settings.extra_index_urls
        assert len(changed.find_links) == 1


def test_settings_without_local_folders_are_left_alone() -> None:
    settings = PipSettings(index_url="https://mirror.invalid/simple")
    with served(settings) as same:
        assert same is settings


def test_a_daemon_elsewhere_is_not_given_local_folders(index: Path) -> None:
    settings = PipSettings(
        index_url=index.as_uri(),
        extra_index_urls=("https://mirror.invalid/simple",),
        find_links=("/opt/wheels",),
    )
    assert without_local(settings) == PipSettings(
        extra_index_urls=("https://mirror.invalid/simple",)
    )
