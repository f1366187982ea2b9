from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from multiverse.images.offline.pip_settings import PipSettings, local_path, pip_files


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_later_files_win_then_the_install_section_then_variables(tmp_path: Path) -> None:
    machine = write(
        tmp_path / "machine.conf",
        "[global]\nindex-url = http://a/simple\ntimeout = 5\n[install]\nretries = 9\n",
    )
    user = write(tmp_path / "user.conf", "[global]\nindex_url = http://b/simple\nretries = 1\n")
    environ = {"PIP_DEFAULT_TIMEOUT": "70", "PIP_FIND_LINKS": "/wheels http://c/more"}

    settings = PipSettings.of_host(environ, [machine, user])

    assert settings.index_url == "http://b/simple"
    assert settings.retries == "9"
    assert settings.find_links == ("/wheels", "http://c/more")
    assert settings.timeout == "5"


def test_a_variable_replaces_a_file_and_does_not_add_to_it(tmp_path: Path) -> None:
    file = write(tmp_path / "pip.conf", "[global]\nextra-index-url =\n  http://a/\n  http://b/\n")

    assert PipSettings.of_host({}, [file]).extra_index_urls == ("http://a/", "http://b/")
    changed = PipSettings.of_host({"PIP_EXTRA_INDEX_URL": "http://c/"}, [file])
    assert changed.extra_index_urls == ("http://c/",)


def test_settings_that_say_nothing_about_origins_do_not_reach_a_build(tmp_path: Path) -> None:
    file = write(tmp_path / "pip.conf", "[global]\nuser = yes\nrequire-virtualenv = yes\n")

    text = PipSettings.of_host({"PIP_TARGET": "/somewhere", "SECRET": "x"}, [file]).render()

    assert "user" not in text
    assert "virtualenv" not in text
    assert "/somewhere" not in text
    assert "x" not in text.replace("index", "")


def test_render_is_read_back_the_same(tmp_path: Path) -> None:
    settings = PipSettings(
        index_url="https://me:pa%ss@mirror.invalid/simple",
        extra_index_urls=("http://a/", "http://b/"),
        find_links=("/wheels",),
        trusted_hosts=("mirror.invalid",),
        no_index=True,
        proxy="http://proxy.invalid:3128",
        timeout="7",
        retries="2",
    )
    file = write(tmp_path / "pip.conf", settings.render())

    assert PipSettings.of_host({}, [file]).render() == settings.render()
    parsed = configparser.RawConfigParser()
    parsed.read(file)
    assert parsed["global"]["index-url"] == settings.index_url


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["PIP_CERT", "SSL_CERT_FILE"], "PIP_CERT"),
        (["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"], "SSL_CERT_FILE"),
        (["REQUESTS_CA_BUNDLE"], "REQUESTS_CA_BUNDLE"),
    ],
)
def test_the_certificates_that_pip_is_told_of_come_first(
    tmp_path: Path, named: list[str], expected: str
) -> None:
    environ = {name: str(write(tmp_path / name, "certificate")) for name in named}

    assert PipSettings.of_host(environ, []).ca_bundle == tmp_path / expected


def test_certificates_that_are_not_there_are_not_taken(tmp_path: Path) -> None:
    bundle = PipSettings.of_host({"PIP_CERT": str(tmp_path / "gone.pem")}, []).ca_bundle

    assert bundle is None or bundle.is_file()
    assert bundle != tmp_path / "gone.pem"


def test_a_broken_file_is_ignored(tmp_path: Path) -> None:
    broken = write(tmp_path / "pip.conf", "index-url = without a section\n")

    assert PipSettings.of_host({}, [broken]).index_url is None


def test_config_file_variable_follows_pip(tmp_path: Path) -> None:
    chosen = write(tmp_path / "pip.conf", "")

    assert pip_files({"PIP_CONFIG_FILE": "/dev/null"}) == []
    files = pip_files({"PIP_CONFIG_FILE": str(chosen)})
    assert files[-1] == chosen
    assert not any(".pip" in file.parts for file in files)


def test_uv_is_told_the_same() -> None:
    settings = PipSettings(
        index_url="http://me:secret@a/simple",
        extra_index_urls=("http://b/", "http://me:secret@c/"),
        find_links=("/wheels", "/more,wheels", "http://me:secret@d/x,y"),
        trusted_hosts=("a",),
        no_index=True,
        ca_bundle=Path("/ca.pem"),
        timeout="70",
    )
    arguments = settings.uv_arguments()

    assert arguments[arguments.index("--allow-insecure-host") + 1] == "a"
    assert "--no-index" in arguments
    assert "secret" not in " ".join(arguments)
    assert settings.uv_environment() == {
        "UV_DEFAULT_INDEX": "http://me:secret@a/simple",
        "UV_INDEX": "http://b/ http://me:secret@c/",
        "UV_FIND_LINKS": "/wheels,file:///more%2Cwheels,http://me:secret@d/x%2Cy",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_HTTP_TIMEOUT": "70",
    }


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("file:///opt/some%20wheels", Path("/opt/some wheels")),
        ("/opt/wheels", Path("/opt/wheels")),
        ("https://somewhere.invalid/simple", None),
        ("http://127.0.0.1:1/x", None),
    ],
)
def test_local_path(place: str, path: Path | None) -> None:
    assert local_path(place) == path
