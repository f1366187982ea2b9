"""Attempts to reach beyond the container. Each becomes a metric: 1 where it succeeded."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .honest import DATA, OUTPUT, SETTINGS, good, report

LIBC = ctypes.CDLL(None, use_errno=True)
MS_REMOUNT, MS_BIND = 32, 4096
#: Numbers of system calls on x86-64; elsewhere the probe is of another call that must fail too.
INIT_MODULE, BPF, OPEN_BY_HANDLE = 175, 321, 304
#: What the image declares as such.
VOLUMES = ("/data", "/data/nested", "/input", "/dev/shm", "/tmp/x", "/spelled/oddly")
#: File systems that take memory of the container, not the host's disk.
IN_MEMORY = {"tmpfs", "mqueue", "devpts", "proc", "sysfs", "cgroup", "cgroup2", "devtmpfs"}


def can(action: Callable[..., object], *arguments: object) -> float:
    """Whether an action ends without a refusal."""
    try:
        action(*arguments)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0.0
    return 1.0


def must(result: int) -> None:
    """Raise what a function of the C library reports."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def target() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SETTINGS["target"])
    return found


def network() -> None:
    where = target()
    port, udp = where["port"], where["udp_port"]
    good(
        {
            "tcp_host": can(lambda: connect(socket.AF_INET, (where["host"], port))),
            "tcp_loopback": can(lambda: connect(socket.AF_INET, ("127.0.0.1", port))),
            "tcp_ipv6": can(lambda: connect(socket.AF_INET6, ("::1", where["ipv6_port"]))),
            "udp": can(lambda: echo((where["host"], udp))),
            "abstract": can(lambda: connect(socket.AF_UNIX, "\0" + str(where["abstract"]))),
            "name": can(lambda: socket.getaddrinfo("example.org", 80)),
            "raw": can(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
            "packet": can(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
            "interfaces": float({name for _, name in socket.if_nameindex()} - {"lo"} != set()),
            "daemon": can(lambda: connect(socket.AF_UNIX, "/var/run/docker.sock")),
        }
    )


def connect(family: int, address: str | tuple[str, int]) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.settimeout(3)
        made.connect(address)


def echo(address: tuple[str, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(3)
        made.sendto(b"x", address)
        made.recv(1)


def write_outside() -> None:
    named = [
        "/",
        "/usr",
        "/etc",
        "/opt/hostile",
        "/var/tmp",
        "/run",
        "/root",
        "/home",
        "/input",
        "/lib",
        *VOLUMES,
    ]
    folders = [*named, *(fields[4] for fields in mounts())]
    disks = {folder for folder in folders if is_on_disk(folder) and can(touch, folder)}
    kernel = [
        "/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger",
        "/proc/1/oom_score_adj", "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/cgroup.procs",
    ]  # fmt: skip
    opened = [name for name in kernel if name.startswith(("/proc/sys", "/sys")) and opens(name)]
    good(
        {
            "disk": float(len(disks - {*VOLUMES})),
            "volume": float(len(disks & {*VOLUMES})),
            "hosts": float(sum(map(opens, ("/etc/hosts", "/etc/hostname")))),
            "health": float((OUTPUT / "health").exists()),
            "kernel": float(len(opened)),
            "oom_score": can(lambda: Path("/proc/self/oom_score_adj").write_text("-500")),
            "output": can(lambda: (OUTPUT / "probe").write_text("x")),
            "temporary": can(lambda: Path("/tmp/probe").write_text("x")),
        }
    )


def mounts() -> list[list[str]]:
    return [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def is_on_disk(folder: str) -> bool:
    """Whether a folder outside /output lies on a file system that isn't kept in memory."""
    if folder == str(OUTPUT) or not Path(folder).is_dir():
        return False
    status = Path(folder).stat()
    number = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    kinds = {fields[fields.index("-") + 1] for fields in mounts() if fields[2] == number}
    return not kinds & IN_MEMORY


def touch(folder: str) -> None:
    (Path(folder) / "hostile-was-here").write_text("x")


def opens(name: str) -> bool:
    """Whether a file can be opened for writing; nothing is written."""
    try:
        os.close(os.open(name, os.O_WRONLY))
    except OSError:
        return False
    return True


def write_input() -> None:
    def mount(flags: int) -> None:
        must(LIBC.mount(None, str(DATA).encode(), None, flags, None))

    good()  # while there is an input
    results = {
        "open": can(lambda: DATA.open("r+b").close()),
        "truncate": can(lambda: os.truncate(DATA, 0)),
        "unlink": can(DATA.unlink),
        "mode": can(lambda: DATA.chmod(0o666)),
        "times": can(lambda: os.utime(DATA, (0, 0))),
        "beside": can(lambda: (DATA.parent / "more").write_text("x")),
        "remount": can(lambda: mount(MS_REMOUNT | MS_BIND)),
        "unmount": can(lambda: must(LIBC.umount2(str(DATA).encode(), 2))),
        "descriptor": can(lambda: reopen(DATA)),
    }
    report(results)


def reopen(path: Path) -> None:
    """Open for writing through a descriptor that is open for reading."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR))
    finally:
        os.close(descriptor)


def read_host() -> None:
    where = target()
    secret, other = str(where["secret"]), str(where["other"])
    roots = ["", "/proc/1/root", "/proc/self/root", f"{OUTPUT}/../../../../../.."]
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    beside = [
        OUTPUT / ".." / "run.json",
        OUTPUT / ".." / "container.log",
        OUTPUT / "../started.json",
    ]
    good(
        {
            "secret": float(any(can(Path.read_text, Path(root + secret)) for root in roots)),
            "other_run": float(any(Path(root + other).exists() for root in roots)),
            "beside": float(any(path.exists() for path in beside)),
            "processes": float(len(processes)),
            "handle": can(open_root_by_handle),
            "disks": float(any(map(is_block_device, Path("/dev").iterdir()))),
            "kernel_memory": can(read_kernel_memory),
            "hostname": float(socket.gethostname() == where["hostname"]),
            "resolver": float(len(Path("/etc/resolv.conf").read_bytes())),
            "named": float(where["hostname"] in Path("/etc/hosts").read_text().split()),
            "password": float("PASSWORD" in "".join(os.environ.values())),
        }
    )


def read_kernel_memory() -> None:
    with Path("/proc/kcore").open("rb") as memory:
        if not memory.read(1):  # masked by an empty device
            raise PermissionError


def open_root_by_handle() -> None:
    """Inode 2 of the file system below /input: the root of the host's disk."""
    handle = ctypes.create_string_buffer(
        (8).to_bytes(4, "little") + (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(4)
    )
    descriptor = os.open(DATA, os.O_RDONLY)
    try:
        opened = LIBC.syscall(OPEN_BY_HANDLE, descriptor, handle, 0)
        must(opened)
        os.close(opened)
    finally:
        os.close(descriptor)


def is_block_device(path: Path) -> bool:
    return stat.S_ISBLK(path.lstat().st_mode)


def gain_privileges() -> None:
    devices = {"block": stat.S_IFBLK, "character": stat.S_IFCHR}
    results = {
        f"mknod_{name}": can(os.mknod, OUTPUT / name, kind | 0o600, os.makedev(1, 3))
        for name, kind in devices.items()
    }
    results |= {
        "setuid": float(output_of("/opt/hostile/setuid", "-u") == "65534"),
        "capable": float(any(effective(output_of("/opt/hostile/capable", "/proc/self/status")))),
        "capabilities": float(any(effective(Path("/proc/self/status").read_text()))),
        "su": can(lambda: run("su", "nobody", "-s", "/bin/true")),
        "mount": can(lambda: run("mount", "-t", "tmpfs", "tmpfs", "/tmp")),
        "unmount": can(lambda: run("umount", "/output")),
        "user_namespace": can(lambda: run("unshare", "-U", "true")),
        "network_namespace": can(lambda: run("unshare", "-n", "true")),
        "change_root": can(lambda: in_child(lambda: os.chroot("/tmp"))),
        "become_another": can(lambda: in_child(lambda: os.setuid(12345))),
        "become_root": can(lambda: in_child(become_root)),
        "module": can(lambda: must(LIBC.syscall(INIT_MODULE, b"", 0, b""))),
        "bpf": can(lambda: must(LIBC.syscall(BPF, 0, ctypes.create_string_buffer(64), 64))),
        "priority": can(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)),
        "file_size": can(lambda: lift(resource.RLIMIT_FSIZE)),
        "seccomp": float(status("Seccomp") != "2"),
        "no_new_privileges": float(status("NoNewPrivs") != "1"),
    }
    good(results)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=10)


def output_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except OSError:
        return ""


def effective(text: str) -> list[int]:
    lines = [line.split() for line in text.splitlines()]
    return [int(fields[1], 16) for fields in lines if fields[:1] in (["CapEff:"], ["CapPrm:"])]


def status(name: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def become_root() -> None:
    """For a job that doesn't run as root; for one that does, it is no gain."""
    if os.getuid() == 0:
        raise PermissionError
    os.setuid(0)


def in_child(action: Callable[[], object]) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0 if can(action) else 1)
    if os.waitpid(child, 0)[1]:
        raise PermissionError


def lift(limit: int) -> None:
    resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
