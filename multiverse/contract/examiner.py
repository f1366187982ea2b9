"""The process that looks at embeddings, each file in a child of its own: run as a module.

Its standard input is a socket of whoever asks (:mod:`multiverse.contract.child_check`), which
sends one byte a request with three descriptors: the file, what is to be known of it, and where the
answer goes. An asker that closes its end has the child ended; when all of them are gone, so is
this process, with its children.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import NoReturn

from multiverse.contract.embeddings import check_embeddings
from multiverse.contract.parent import end_with

#: Descriptors of a request: the file, the request, where the answer goes.
N_DESCRIPTORS = 3


def main() -> None:
    """Answer what is asked on standard input until it is closed.

    The libraries are loaded once: a child is a copy of this process.
    """
    importlib.import_module("multiverse.contract.hdf5_tree")  # with h5py and numpy

    _Desk(socket.socket(fileno=sys.stdin.fileno())).serve()


class _Desk:
    """Takes requests, and has a child for each of them."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._askers: dict[int, socket.socket] = {}
        self._ended, self._ends = os.pipe()
        for descriptor in (self._ended, self._ends):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._ends, warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._take)
        self._selector.register(self._ended, selectors.EVENT_READ, self._reap)

    def serve(self) -> None:
        """Serve until nobody can ask any more; every child has ended then."""
        try:
            while True:
                for key, _ in self._selector.select():
                    key.data()
        except EOFError:
            pass
        finally:
            for child in self._askers:
                os.kill(child, signal.SIGKILL)

    def _take(self) -> None:
        said, descriptors, _, _ = socket.recv_fds(self._control, 1, N_DESCRIPTORS)
        if not said:
            raise EOFError
        if len(descriptors) < N_DESCRIPTORS:  # this process may open no more
            for descriptor in descriptors:
                os.close(descriptor)
            return
        file, request, answers = descriptors
        asker = socket.socket(fileno=answers)
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            end_with(parent)
            self._close()
            _look(file, request, asker)
        os.close(file)
        os.close(request)
        self._askers[child] = asker
        # An asker sends nothing more: what can be read is that its end was closed.
        self._selector.register(asker, selectors.EVENT_READ, lambda: self._end(child))

    def _close(self) -> None:
        """Close, in a child, what belongs to the parent and to other children."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self._control.close()
        for asker in self._askers.values():
            asker.close()

    def _end(self, child: int) -> None:
        if child in self._askers:  # not waited for yet: the number is its own
            self._selector.unregister(self._askers[child])
            os.kill(child, signal.SIGKILL)

    def _reap(self) -> None:
        os.read(self._ended, 4096)
        while self._askers:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            with self._askers.pop(child) as asker:
                with suppress(KeyError):
                    self._selector.unregister(asker)
                with suppress(OSError):  # nobody listens any more
                    code = os.waitstatus_to_exitcode(status)
                    asker.send(f"\n{code}".encode(), socket.MSG_DONTWAIT)
                    asker.shutdown(socket.SHUT_RDWR)  # whoever else has a copy of it


def _look(file: int, request: int, asker: socket.socket) -> NoReturn:
    """Check one file within bounds of memory and time, say what was found, and end."""
    code = 1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # a library may print what it likes of a file
        os.dup2(nowhere, sys.stderr.fileno())
        with open(request, "rb") as stream:
            asked = json.load(stream)
        _bound(resource.RLIMIT_AS, asked["memory"])
        _bound(resource.RLIMIT_CPU, asked["cpu_seconds"])
        _bound(resource.RLIMIT_CORE, 0)
        _bound(resource.RLIMIT_FSIZE, 0)
        signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
        found = check_embeddings(file, asked["names"])
        answer, code = json.dumps(found), 0
    except BaseException as error:
        answer = f"{type(error).__name__}: {error}"
    with suppress(OSError):
        asker.sendall(answer.encode(errors="replace"))
    os._exit(code)


def _bound(what: int, most: int) -> None:
    """Lower one limit of this process, never raise it: SIGXCPU, MemoryError or OSError tell."""
    _, hard = resource.getrlimit(what)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (allowed, hard))


if __name__ == "__main__":
    main()
