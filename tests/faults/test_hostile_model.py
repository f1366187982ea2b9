"""A model that attacks the machine, on the real engine: contained, named, and alone in its fall."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import multiverse
from multiverse.api import Request, run_benchmark
from multiverse.conformance import CheckStatus, SuiteOptions, check_model
from multiverse.contract.folders import remove_tree
from multiverse.engines.docker import DockerEngine, DockerImage, container_options
from multiverse.engines.docker_container import DockerContainer
from multiverse.engines.protocol import Execution, Runtime
from multiverse.errors import EngineError
from multiverse.events import silent
from multiverse.facts import Cause, RunState
from multiverse.images.build import build_models
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.models import find_models
from multiverse.runner.options import RunOptions
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.writing import checksum as checksum_of
from multiverse.specs.benchmark import BenchmarkSource
from tests.conftest import TEST_MODELS, docker_or_skip, open_to_all, write_small
from tests.faults.ordinary import OrdinaryUser

pytestmark = pytest.mark.docker
#: What a terminal could be told, and text must not hold once it is printed.
COMMANDS = set(map(chr, [*range(9), *range(11, 32), *range(127, 160), 0x202E, 0x2028]))


@dataclass(frozen=True)
class Laboratory:
    """A folder, a registered dataset, and things of the host that a model must not reach."""

    folder: Path
    dataset: RegisteredDataset
    target: Mapping[str, object]

    def request(self, name: str, behaviours: tuple[str, ...], **resources: object) -> Request:
        """A benchmark of these attacks and, beside them, an honest job."""
        target = json.dumps(self.target)
        sets = [{"behaviour": behaviour, "target": target} for behaviour in behaviours]
        content = {
            "datasets": ["small"],
            "models": [{"model": "hostile", "parameters": [*sets, {"behaviour": "good"}]}],
            "resources": {"retries": 0, **resources},
        }
        return Request(
            source=BenchmarkSource.of(content),
            output=self.folder / name,
            engine="docker",
            options=RunOptions(parallel=2),
            models_dirs=[TEST_MODELS],
            registered=[self.dataset],
        )

    def run(self, name: str, *behaviours: str, **resources: object) -> dict[str, Run]:
        """Run attacks; by behaviour how they ended. The honest job must be complete."""
        results = by_behaviour(run_benchmark(self.request(name, behaviours, **resources)))
        assert set(results) == {*behaviours, "good"}
        assert results["good"].record.state is RunState.COMPLETE
        return results


def by_behaviour(results: Results) -> dict[str, Run]:
    return {str(run.record.parameters["behaviour"]): run for run in results.runs}


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """The image of the hostile model, a dataset, and listeners of the host."""
    docker_or_skip()
    build_models(list(find_models(["hostile"], [TEST_MODELS]).values()), tell=silent)
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret").write_text("of the host")
    with pytest.MonkeyPatch.context() as patch, listening(folder) as addresses:
        patch.setenv("MULTIVERSE_HOME", str(folder / "home"))
        patch.setenv("HTTP_PROXY", "")
        data = write_small(folder / "small.h5ad")
        dataset = multiverse.register(data, slug="small", batch_key="donor", label_key="cell_type")
        target = {
            **addresses,
            "secret": str(folder / "secret"),
            "other": str(folder / "attacks"),
            "hostname": socket.gethostname(),
        }
        yield Laboratory(folder, dataset, target)
    remove_tree(folder)  # too deep for pytest, which tidies up old folders


class listening:  # noqa: N801 - used as a word of the with statement
    """Sockets of the host that answer, and their addresses."""

    def __init__(self, folder: Path) -> None:
        self._name = f"multiverse-test-{os.getpid()}"
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> dict[str, object]:
        tcp = socket.create_server(("0.0.0.0", 0))  # noqa: S104 - to be reached from a container
        ipv6 = socket.create_server(("::1", 0), family=socket.AF_INET6)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("0.0.0.0", 0))  # noqa: S104
        unix = socket.socket(socket.AF_UNIX)
        unix.bind("\0" + self._name)
        unix.listen()
        self._sockets = [tcp, ipv6, udp, unix]
        threading.Thread(target=echo, args=(udp,), daemon=True).start()
        return {
            "host": host_address(),
            "port": tcp.getsockname()[1],
            "ipv6_port": ipv6.getsockname()[1],
            "udp_port": udp.getsockname()[1],
            "abstract": self._name,
        }

    def __exit__(self, *_: object) -> None:
        for made in self._sockets:
            with suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
            made.close()


def echo(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            content, address = server.recvfrom(16)
            if address is None:  # the socket was shut down
                return
            server.sendto(content, address)


def host_address() -> str:
    """An address of the host that stays: Docker's bridges come and go with its containers."""
    addresses = {
        address.address: name.startswith(("docker", "br-", "veth"))
        for name, found in psutil.net_if_addrs().items()
        for address in found
        if address.family is socket.AF_INET and not address.address.startswith("127.")
    }
    return min(addresses, key=lambda address: addresses[address])


PROBES = ("network", "write_outside", "write_input", "read_host", "gain_privileges")
FILES = tuple(f"replaced_{turn}" for turn in range(5))
#: Behaviour → words of the finding that it must lead to.
BAD_OUTPUTS = {
    "declared_giant": "/latent declares 4,000,000,000,000,000,000 bytes",
    "circle_of_links": "/group is a link to elsewhere",
    "link_to_the_host": "/latent is a link to elsewhere",
    "virtual": "keeps its values in another file",
    "stored_in_a_host_file": "keeps its values in another file",
    "compressed_bomb": "is stored in chunks of 2,147,483,648 bytes",
    "bomb_within_the_bounds": "'latent' is the same for every cell",
    "references": "not a float of 16, 32 or 64 bits",
    "unknown_filter": "can't be read as HDF5",
    "one_long_name": "/obs_names declares 3,000,000,000 bytes of text",
    "nested_metrics": "is not JSON",
    "million_metrics": "1,000,000 names (at most 1,000)",
    "repeated_metrics": "'x' is there more than once",
    "swelling_metrics": "holds about 30,000,005 values",
    "picture_bomb": "declares 2,147,483,647 × 2,147,483,647 pixels",
    "commands_in_names": "is not numeric",
}
OTHERS = (
    "fork_until_refused", "sparse_giant", "deep_folders", "one_endless_line", "enormous_attribute",
    "write_after_the_end", "kill_everything", "many_small_files_in_memory", "commands_in_a_log",
    "commands_in_a_reason", "commands_in_what_is_published", "setuid_files", "exit_137", "exit_143",
)  # fmt: skip
#: Where a model hides what fills the disk.
HIDING = (
    "closed_folder", "closed_output", "unsearchable_folder", "many_files_in_a_closed_folder",
    "folder_closed_again_and_again", "output_closed_again_and_again", "renamed_without_end",
)  # fmt: skip


@pytest.fixture(scope="module")
def attacks(laboratory: Laboratory) -> dict[str, Run]:
    """All attacks that need no particular limits, in one benchmark."""
    behaviours = (*PROBES, *FILES, *BAD_OUTPUTS, *OTHERS)
    return laboratory.run("attacks", *behaviours, memory="2GiB", time_limit="120s")


def abilities(run: Run) -> dict[str, float]:
    assert run.record.state is RunState.COMPLETE, run.record.message
    content = json.loads((run.folder / "metrics.json").read_text())
    found: dict[str, float] = content["model_metrics"]
    return found


def test_no_network(attacks: dict[str, Run]) -> None:
    found = abilities(attacks["network"])
    assert found == dict.fromkeys(found, 0)


def test_nothing_is_written_outside_the_output(attacks: dict[str, Run]) -> None:
    found = abilities(attacks["write_outside"])
    del found["volume"]
    allowed = {"output": 1.0, "temporary": 1.0}
    assert found == {**dict.fromkeys(found, 0), **allowed}


def test_a_volume_of_the_image_is_not_on_the_disk(attacks: dict[str, Run]) -> None:
    assert abilities(attacks["write_outside"])["volume"] == 0


def test_a_check_names_the_volumes_of_an_image(laboratory: Laboratory) -> None:
    (model,) = find_models(["hostile"], [TEST_MODELS]).values()
    options = SuiteOptions(only=["volumes"])
    report = check_model(model, DockerEngine(), options, tell=silent, show=lambda _: None)
    result = report.result("volumes")
    assert result.status is CheckStatus.NOTE
    assert "'/data'" in result.happened


TAKEN = ("/dev", "/proc", "/sys", "/", "//output/./x/", "/input/data.h5mu", "../data")


@pytest.mark.parametrize("volume", TAKEN)
def test_an_image_that_takes_our_places_is_refused(
    laboratory: Laboratory, tmp_path: Path, volume: str
) -> None:
    """Before anything of it is started; and where nobody asked, when its container is made."""
    import docker
    import docker.errors

    client = docker.from_env()
    recipe = f'FROM multiverse-test-hostile:1.0.0\nVOLUME ["{volume}"]\nENTRYPOINT ["true"]\n'
    image, _ = client.images.build(fileobj=io.BytesIO(recipe.encode()), rm=True)
    name = str(image.id)
    try:
        with pytest.raises(EngineError, match="declares the volume"):
            DockerImage.of(image.attrs, "taker")
        execution = execution_of(laboratory, tmp_path, DockerImage(name))
        options = container_options(execution)
        options["host_config"]["tmpfs"] |= dict.fromkeys(["/input", "/data"], "size=1m")
        with pytest.raises(EngineError, match="volumes on its own disk"):
            DockerContainer.start(DockerEngine()._client(), options, execution)
        assert DockerEngine().orphans(execution.labels) == []
    finally:
        with suppress(docker.errors.ImageNotFound):
            client.images.remove(name, force=True)


@pytest.mark.parametrize(
    "order",
    ["WORKDIR /link/a/b", "WORKDIR /twice/a", 'VOLUME ["/link/data"]', 'VOLUME ["/proc-link"]'],
)
def test_no_link_of_an_image_leads_its_folders_to_ours(
    laboratory: Laboratory, tmp_path: Path, order: str
) -> None:
    """What is not there is made by the daemon, as root: in the output, on the host's disk."""
    image = made_of(
        "RUN ln -s /output /link && ln -s /link /twice && ln -s /proc /proc-link\n"
        f'{order}\nENTRYPOINT ["true"]\n'
    )
    execution = execution_of(laboratory, tmp_path, DockerImage.of(image.attrs, "linked"))
    try:
        with pytest.raises(EngineError, match=r"working folder in the output|not to be had"):
            DockerEngine().start(execution)
        assert list(execution.output.iterdir()) == []
        assert DockerEngine().orphans(execution.labels) == []
    finally:
        image.remove(force=True)


def test_labels_of_an_image_make_no_container_ours(laboratory: Laboratory, tmp_path: Path) -> None:
    """A container has its image's labels, whoever started it: it is neither adopted nor removed."""
    wanted = {"multiverse.results": str(tmp_path), "multiverse.run": "0123456789abcdef"}
    labels = " ".join(f'{name}="{text}"' for name, text in wanted.items())
    image = made_of(f'LABEL multiverse=job multiverse.attempt=1 {labels}\nENTRYPOINT ["true"]\n')
    client = image.client
    container = client.containers.create(image.id)
    engine = DockerEngine()
    try:
        assert engine.orphans(wanted) == []
        assert engine.sweep(wanted) == 0
        assert client.containers.get(container.id).status == "created"
        (tmp_path / "of-ours").mkdir()
        handle = DockerImage.of(image.attrs, "labelled")
        execution = execution_of(laboratory, tmp_path / "of-ours", handle)
        execution = replace(execution, labels=wanted)
        with engine.start(execution) as running:
            assert running.wait(120)
            assert len(engine.orphans(wanted)) == 1
    finally:
        container.remove(force=True)
        image.remove(force=True)


def made_of(recipe: str) -> Any:
    """An image without a name, built from the hostile model's."""
    import docker

    recipe = f"FROM multiverse-test-hostile:1.0.0\n{recipe}"
    image, _ = docker.from_env().images.build(fileobj=io.BytesIO(recipe.encode()), rm=True)
    return image


def execution_of(laboratory: Laboratory, folder: Path, image: DockerImage) -> Execution:
    """A job of an image, as the runner would never make it."""
    (model,) = find_models(["hostile"], [TEST_MODELS]).values()
    output = folder / "output"
    output.mkdir()
    return Execution(
        runtime=Runtime(model=model, handle=image), data=laboratory.dataset.data, output=output,
        log=folder / "log", cpus=1, memory=2**30, device="cpu",
        labels={"multiverse.run": folder.name},
    )  # fmt: skip


def test_the_input_stays_as_it_is(attacks: dict[str, Run], laboratory: Laboratory) -> None:
    found = abilities(attacks["write_input"])
    assert found == dict.fromkeys(found, 0)


def test_the_host_and_other_runs_are_out_of_sight(attacks: dict[str, Run]) -> None:
    found = abilities(attacks["read_host"])
    assert found.pop("processes") == 2, "the model, and the init that started it"
    assert found == dict.fromkeys(found, 0)


def test_no_privilege_is_gained(attacks: dict[str, Run]) -> None:
    found = abilities(attacks["gain_privileges"])
    assert found == dict.fromkeys(found, 0)


#: What each probe finds in a container that is left open: else it would show nothing when closed.
OPEN = {
    "network": {"tcp_host", "tcp_loopback", "tcp_ipv6", "udp", "abstract", "raw", "interfaces"},
    "write_outside": {"disk", "volume", "hosts", "health", "output", "temporary"},
    "write_input": {"open", "truncate", "mode", "times", "beside", "descriptor"},
    "read_host": {"hostname", "secret", "resolver"},
    "gain_privileges": {
        "mknod_character", "setuid", "su", "change_root", "become_another", "file_size",
        "no_new_privileges",
    },
}  # fmt: skip


@pytest.mark.parametrize("probe", PROBES)
def test_the_probes_can_tell(probe: str, laboratory: Laboratory, tmp_path: Path) -> None:
    """In a container without the sandbox the same attempts succeed."""
    found = run_open(probe, laboratory, tmp_path)
    assert {name for name, value in found.items() if value} >= OPEN[probe]


def run_open(probe: str, laboratory: Laboratory, folder: Path) -> dict[str, float]:
    """Run a probe with the host's network, a copy of the input, and nothing closed."""
    output, data = folder / "output", folder / "data.h5mu"
    output.mkdir()
    data.write_bytes(laboratory.dataset.data.read_bytes())
    settings = {"behaviour": probe, "target": json.dumps(laboratory.target)}
    (output / "job_spec.json").write_text(json.dumps({"seed": 0, "hyperparameters": settings}))
    (model,) = find_models(["hostile"], [TEST_MODELS]).values()
    engine = DockerEngine()
    execution = Execution(
        runtime=engine.prepare(model, build=False, tell=silent),
        data=data, output=output, log=folder / "log", cpus=1, memory=2**30, device="cpu",
        labels={"multiverse.run": "open"},
    )  # fmt: skip
    with DockerContainer.start(engine._client(), opened(execution), execution) as running:
        assert running.wait(120)
    content = json.loads((output / "metrics.json").read_text())
    for path in output.iterdir():
        path.unlink()
    found: dict[str, float] = content["model_metrics"]
    return found


def opened(execution: Execution) -> dict[str, Any]:
    """The options of a job without its sandbox."""
    options = container_options(execution)
    host = options["host_config"]
    for name in ("cap_drop", "security_opt", "read_only", "ulimits", "oom_score_adj"):
        del host[name]
    del options["hostname"], options["healthcheck"]
    del host["tmpfs"]["/data"]
    host["tmpfs"]["/input"] = host["tmpfs"]["/tmp"]
    disk = execution.output.parent / "disk"
    disk.mkdir()
    host["network_mode"] = "host"
    host["mounts"] = [mount for mount in host["mounts"] if mount["Target"] != "/etc/resolv.conf"]
    for mount in host["mounts"]:
        mount["ReadOnly"] = False
    secret = json.loads((execution.output / "job_spec.json").read_text())["hyperparameters"]
    path = json.loads(secret["target"])["secret"]
    host["binds"] = [f"{path}:{path}:ro", f"{disk}:/data"]
    return options


@pytest.mark.parametrize("turn", range(5))
def test_only_files_are_files(turn: int, attacks: dict[str, Run]) -> None:
    """A link, a FIFO, a hard link, a socket and a sparse giant, in place of each file."""
    record = attacks[f"replaced_{turn}"].record
    assert (record.state, record.cause) == (RunState.FAILED, Cause.BAD_OUTPUT)
    names = ["embeddings.h5", "metrics.json", "umap.png", "run.log", "metrics.jsonl"]
    words = ["symbolic link", "FIFO", "hard link", "socket", "10,737,418,240 bytes"]
    for number, name in enumerate(names):
        expected = words[(number + turn) % 5]
        assert any(
            finding.startswith(name) and expected in finding for finding in record.findings
        ), (name, expected, record.findings)


@pytest.mark.parametrize("behaviour", BAD_OUTPUTS)
def test_outputs_made_to_hurt_are_findings(behaviour: str, attacks: dict[str, Run]) -> None:
    record = attacks[behaviour].record
    assert (record.state, record.cause) == (RunState.FAILED, Cause.BAD_OUTPUT), record.message
    assert any(BAD_OUTPUTS[behaviour] in finding for finding in record.findings), record.findings
    assert all(len(finding) < 700 for finding in record.findings)
    assert record.message.isprintable()


def test_what_is_never_read_does_no_harm(attacks: dict[str, Run]) -> None:
    assert attacks["enormous_attribute"].record.state is RunState.COMPLETE


def test_processes_are_limited(attacks: dict[str, Run]) -> None:
    made = abilities(attacks["fork_until_refused"])["processes"]
    assert 100 < made < 512


def test_small_files_in_memory_are_limited(attacks: dict[str, Run]) -> None:
    assert 10_000 < abilities(attacks["many_small_files_in_memory"])["files"] < 100_001


def test_a_sparse_giant_ends_at_the_limit_of_a_file(attacks: dict[str, Run]) -> None:
    record = attacks["sparse_giant"].record
    assert (record.state, record.cause) == (RunState.FAILED, Cause.MODEL_ERROR)
    assert "File too large" in record.message


def test_deep_folders_beside_an_output_stop_nothing(
    attacks: dict[str, Run], laboratory: Laboratory
) -> None:
    run = attacks["deep_folders"]
    assert run.record.state in (RunState.COMPLETE, RunState.FAILED)
    if run.record.state is RunState.COMPLETE:
        assert run.record.ignored_files == ("deep",)
        assert not (laboratory.folder / "attacks" / "attempts" / run.record.run_id).exists()
    else:
        assert run.record.cause is Cause.DISK_LIMIT


def test_a_line_without_end_is_bounded(attacks: dict[str, Run]) -> None:
    run = attacks["one_endless_line"]
    assert run.record.state is RunState.COMPLETE
    assert (run.folder / "container.log").stat().st_size < 70e6


def test_nothing_is_written_after_the_end(attacks: dict[str, Run]) -> None:
    """What was checked is what is published, and stays as it is."""
    run = attacks["write_after_the_end"]
    assert run.record.state is RunState.COMPLETE
    for name, checksum in run.record.checksums.items():
        assert checksum_of(run.folder / name) == checksum


def test_a_model_that_kills_itself_is_named(attacks: dict[str, Run]) -> None:
    record = attacks["kill_everything"].record
    assert (record.state, record.cause, record.exit_code) == (RunState.FAILED, Cause.KILLED, 137)
    assert "as after SIGKILL" in record.message


@pytest.mark.parametrize(("code", "name"), [(137, "SIGKILL"), (143, "SIGTERM")])
def test_an_exit_code_like_a_signals_is_not_said_to_be_one(
    attacks: dict[str, Run], code: int, name: str
) -> None:
    """Docker can't tell them apart, so nobody may say that it came from outside."""
    record = attacks[f"exit_{code}"].record
    assert (record.state, record.exit_code) == (RunState.FAILED, code)
    assert f"exit code {code}, as after {name}" in record.message
    assert "or by itself" in record.message


def test_no_program_of_a_model_runs_as_its_owner(
    attacks: dict[str, Run], laboratory: Laboratory
) -> None:
    """A setuid file in a kept attempt is behind a folder that is closed to everybody else."""
    run = attacks["setuid_files"]
    assert run.record.cause is Cause.MODEL_ERROR
    found = [path for path in run.folder.rglob("*") if has_setuid(path)]
    assert found, "the model could make them"
    for path in found:
        above = [folder for folder in path.parents if folder.is_relative_to(run.folder)]
        assert any(stat.S_IMODE(folder.stat().st_mode) & 0o011 == 0 for folder in above)


def has_setuid(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_ISUID)


def test_a_running_attempt_is_closed_to_everybody_else(
    attacks: dict[str, Run], laboratory: Laboratory
) -> None:
    """The model can open its own output folder to all; the one above it is out of its reach."""
    folder = attacks["setuid_files"].folder
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0


COMMANDING = (
    "commands_in_a_log", "commands_in_a_reason", "commands_in_names",
    "commands_in_what_is_published",
)  # fmt: skip


@pytest.mark.parametrize("behaviour", COMMANDING)
def test_records_hold_no_commands_for_a_terminal(behaviour: str, attacks: dict[str, Run]) -> None:
    record = attacks[behaviour].record
    for text in (record.message, *record.findings, *record.warnings):
        assert text.isprintable(), text
    words = {"commands_in_a_log": "the last line", "commands_in_a_reason": "not for me"}
    assert words.get(behaviour, "") in record.message


@pytest.mark.parametrize(
    ("behaviour", "arguments"),
    [
        *((behaviour, ()) for behaviour in ("", *COMMANDING)),
        *((behaviour, ("--json",)) for behaviour in ("", *COMMANDING)),
    ],
)
def test_commands_print_no_commands_for_a_terminal(
    behaviour: str, arguments: tuple[str, ...], attacks: dict[str, Run], laboratory: Laboratory
) -> None:
    results = str(laboratory.folder / "attacks")
    command = ["runs", results]
    if behaviour:
        command = ["show", attacks[behaviour].record.run_id, "--results", results]
    done = run_command(laboratory, *command, *arguments)
    assert done.returncode == 0, done.stderr
    assert not COMMANDS & {*done.stdout, *done.stderr}


def run_command(laboratory: Laboratory, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "multiverse", *arguments],
        env={**os.environ, "MULTIVERSE_HOME": str(laboratory.folder / "home")},
        cwd=laboratory.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_run_on_the_terminal_prints_no_commands(laboratory: Laboratory) -> None:
    """With the log of the model shown as it comes."""
    done = run_command(
        laboratory,
        "run", "--models", "hostile", "--dataset", "small", "--output", "shown", "--verbose",
        "--engine", "docker", "--models-dir", str(TEST_MODELS), "--tag", "a=\x1b[31mb",
        "-p", "hostile.behaviour=commands_in_a_log",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "the last line" in done.stdout
    assert not COMMANDS & {*done.stdout, *done.stderr}


def test_memory_is_limited_however_it_is_filled(laboratory: Laboratory) -> None:
    runs = laboratory.run("memory", "fill_tmp", "fill_shm", memory="200MiB", time_limit="120s")
    for behaviour in ("fill_tmp", "fill_shm"):
        record = runs[behaviour].record
        assert record.cause is Cause.OUT_OF_MEMORY, record.message
        assert "200.0 MiB" in record.message


def test_a_disk_is_not_filled(laboratory: Laboratory) -> None:
    runs = laboratory.run(
        "disk", "many_large_files", "many_files", "one_large_file", disk="60MiB", time_limit="120s"
    )
    large, many, one = (
        runs[name].record for name in ("many_large_files", "many_files", "one_large_file")
    )
    assert large.cause is Cause.DISK_LIMIT
    assert "more than the 60.0 MiB allowed" in large.message
    assert many.cause is Cause.DISK_LIMIT
    assert "holds more than 10,000 files" in many.message
    assert one.cause in (Cause.MODEL_ERROR, Cause.DISK_LIMIT)
    assert "File too large" in one.message or "60.0 MiB" in one.message


def assert_found(record: RunRecord) -> None:
    """The job was stopped for what it hid, or because nobody could look."""
    assert record.cause is Cause.DISK_LIMIT, record.message
    found = ("more than the 60.0 MiB allowed", "holds more than 10,000 files")
    assert any(words in record.message for words in (*found, "can't be looked into")), record


def test_nothing_is_hidden_from_the_limit_of_a_disk(laboratory: Laboratory) -> None:
    runs = laboratory.run("hiding", *HIDING, disk="60MiB", time_limit="120s")
    for behaviour in HIDING:
        assert_found(runs[behaviour].record)


def test_nothing_is_hidden_from_an_ordinary_user(laboratory: Laboratory) -> None:
    """Root reads everything; for whoever else runs a model, modes mean something."""
    folder = laboratory.folder / "ordinary"
    folder.mkdir()
    open_to_all(folder)
    user = OrdinaryUser(folder)
    write_small(folder / "small.h5ad")
    registered = user.run("register", str(folder / "small.h5ad"), "--slug", "small")
    assert registered.returncode == 0, registered.stderr
    sets = [{"behaviour": behaviour} for behaviour in (*HIDING, "good")]
    content = {
        "datasets": ["small"],
        "models": [{"model": "hostile", "parameters": sets}],
        "resources": {"retries": 0, "disk": "60MiB", "time_limit": "120s"},
    }
    (folder / "benchmark.yaml").write_text(json.dumps(content))
    done = user.run(
        "run", str(folder / "benchmark.yaml"), "--output", str(folder / "results"),
        "--models-dir", str(TEST_MODELS), "--engine", "docker", "--no-build", "-j", "2",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    runs = by_behaviour(Results.open(ResultsFolder(folder / "results")))
    assert runs.pop("good").record.state is RunState.COMPLETE
    assert set(runs) == set(HIDING)
    for run in runs.values():
        assert_found(run.record)
        assert run.folder.stat().st_uid == user.uid
        assert os.access(run.folder / "output", os.R_OK | os.W_OK | os.X_OK)


def test_a_fork_bomb_hurts_itself_only(laboratory: Laboratory) -> None:
    """None of its processes heeds TERM: they are killed, all of them, and nothing is left."""
    runs = laboratory.run("bomb", "fork_without_end", cpus=0.5, memory="1GiB", time_limit="8s")
    record = runs["fork_without_end"].record
    assert record.cause in (Cause.TIME_LIMIT, Cause.OUT_OF_MEMORY), record.message
    wanted = {"multiverse.results": str((laboratory.folder / "bomb").resolve())}
    assert DockerEngine().orphans(wanted) == []
