"""Somebody's own folder beside a hostile one: what happens to it is seen, reads as well.

The kernel tells of every open, read and change (inotify), whoever did it and by whatever name.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

READ, OPENED, _MODIFY = 0x1, 0x20, 0x2
_MOVED, _CREATE, _DELETE, _DELETED = 0xC0, 0x100, 0x200, 0xC00
_WATCHED = READ | _MODIFY | OPENED | _MOVED | _CREATE | _DELETE | _DELETED
_WORDS = {
    READ: "read", _MODIFY: "written", OPENED: "opened",
    0x40: "moved away", 0x80: "moved in", _CREATE: "made", _DELETE: "removed",
    0x400: "removed itself", 0x800: "moved itself",
}  # fmt: skip
_EVENT = struct.Struct("iIII")


class Canary:
    """A watched folder. Everything in it is there before it is watched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify is not there")
        self._names: dict[int, str] = {}
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                watch = libc.inotify_add_watch(self._descriptor, bytes(path), _WATCHED)
                if watch < 0:
                    raise OSError(ctypes.get_errno(), f"{path} can't be watched")
                self._names[watch] = str(path.relative_to(folder))
        self._before = self._state()

    def settle(self) -> None:
        """Take as it is now: what a test itself has just done is nobody's fault."""
        self._before = self._state()
        self._events()

    def touched(self, but: int = 0) -> list[str]:
        """Return what has been done to it since, in words; empty if nothing.

        ``but``: beside these events (``OPENED``, ``READ``).
        """
        found = self._events()
        for word in (word for bit, word in _WORDS.items() if but & bit):
            found = {event for event in found if not event.endswith(f": {word}")}
        now = self._state()
        changed = {
            name for name in {*self._before, *now} if self._before.get(name) != now.get(name)
        }
        found |= {f"{name}: not as before" for name in changed}
        self._before = now
        self._events()
        return sorted(found)

    def close(self) -> None:
        os.close(self._descriptor)

    def _state(self) -> dict[str, tuple[int, ...]]:
        """Name → identity, mode, owner, size, time: no write leaves all of these alone.

        Not the time of the last change of the inode: removing a second hard link sets it.
        """
        found: dict[str, tuple[int, ...]] = {}
        pending = [self.folder]
        while pending:
            folder = pending.pop()
            for path in list(folder.iterdir()):
                status = path.lstat()
                found[str(path.relative_to(self.folder))] = (
                    status.st_ino,
                    status.st_mode,
                    status.st_uid,
                    status.st_size,
                    status.st_mtime_ns,
                )
                if path.is_dir() and not path.is_symlink():
                    pending.append(path)
        return found

    def _events(self) -> set[str]:
        found: set[str] = set()
        while True:
            try:
                content = os.read(self._descriptor, 2**20)
            except BlockingIOError:
                return found
            place = 0
            while place < len(content):
                watch, mask, _, length = _EVENT.unpack_from(content, place)
                place += _EVENT.size
                name = content[place : place + length].rstrip(b"\0").decode(errors="replace")
                place += length
                where = "/".join(filter(None, (self._names.get(watch, "?"), name)))
                found |= {f"{where}: {word}" for bit, word in _WORDS.items() if mask & bit}
