from __future__ import annotations

import pytest

from multiverse.errors import BuildError
from multiverse.images.offline.debian import MIRROR_VARIABLE, mirror_of_host, pick_mirror

SECURITY = "Debian|Debian-Security|bookworm-security|bookworm-security|main|http://a.invalid/sec/"
UPDATES = "Debian|Debian|bookworm-updates|bookworm-updates|main|http://b.invalid/debian/"
SUITE = "Debian|Debian|bookworm|bookworm|main|http://c.invalid/debian/"
UNKNOWN = "|||bookworm|main|http://d.invalid/debian/"
OTHER = "Node Source|Node Source|nodistro|nodistro|main|https://e.invalid/"
CONTRIB = "Debian|Debian|bookworm|bookworm|contrib|http://f.invalid/debian/"


@pytest.mark.parametrize(
    ("targets", "mirror"),
    [
        ([OTHER, SECURITY, UPDATES, SUITE], "http://c.invalid/debian/"),
        ([SECURITY, UPDATES], "http://b.invalid/debian/"),
        ([OTHER, UNKNOWN], "http://d.invalid/debian/"),
        ([UNKNOWN, SUITE], "http://c.invalid/debian/"),
        ([CONTRIB, OTHER, SECURITY], None),
        (["Ubuntu|Ubuntu|noble|noble|main|http://g.invalid/ubuntu/"], None),
        (["Debian|Debian|bookworm|bookworm|main|cdrom://disc/"], None),
        (["", "a|b", "|||||"], None),
    ],
)
def test_pick_mirror(targets: list[str], mirror: str | None) -> None:
    assert pick_mirror("\n".join(targets)) == mirror


def test_the_variable_wins() -> None:
    assert mirror_of_host({MIRROR_VARIABLE: "http://m.invalid/"}) == "http://m.invalid/"


def test_a_machine_without_apt_is_told_what_to_do(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))

    with pytest.raises(BuildError, match="apt-get indextargets failed") as caught:
        mirror_of_host({})
    assert MIRROR_VARIABLE in str(caught.value.remedy)
