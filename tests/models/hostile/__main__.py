"""Attacks in the way that the job asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from . import floods, hiding, outputs, probes
from .honest import SETTINGS, good
from .outputs import replaced, spoil

BEHAVIOURS: dict[str, Callable[[], object]] = {
    "good": good,
    "network": probes.network,
    "write_outside": probes.write_outside,
    "write_input": probes.write_input,
    "read_host": probes.read_host,
    "gain_privileges": probes.gain_privileges,
    "fork_until_refused": floods.fork_until_refused,
    "fork_without_end": floods.fork_without_end,
    "fill_tmp": partial(floods.fill, "/tmp"),
    "fill_shm": partial(floods.fill, "/dev/shm"),
    "many_small_files_in_memory": floods.many_small_files_in_memory,
    "one_large_file": floods.one_large_file,
    "sparse_giant": floods.sparse_giant,
    "many_large_files": floods.many_large_files,
    "many_files": floods.many_files,
    "deep_folders": floods.deep_folders,
    "one_endless_line": floods.one_endless_line,
    "write_after_the_end": floods.write_after_the_end,
    "kill_everything": floods.kill_everything,
    "closed_folder": partial(hiding.in_closed_folder, "in", 0),
    "closed_output": partial(hiding.in_closed_folder, ".", 0),
    "unsearchable_folder": partial(hiding.in_closed_folder, "in", 0o400),
    "many_files_in_a_closed_folder": hiding.many_files_in_a_closed_folder,
    "folder_closed_again_and_again": partial(hiding.closed_again_and_again, "in"),
    "output_closed_again_and_again": partial(hiding.closed_again_and_again, "."),
    "renamed_without_end": hiding.renamed_without_end,
    "exit_137": partial(hiding.exit_as_if_killed, 137),
    "exit_143": partial(hiding.exit_as_if_killed, 143),
    **{f"replaced_{turn}": partial(replaced, turn) for turn in range(5)},
    "declared_giant": partial(spoil, outputs.declared_giant, "latent"),
    "circle_of_links": partial(spoil, outputs.circle_of_links, "latent"),
    "link_to_the_host": partial(spoil, outputs.link_to_the_host, "latent"),
    "virtual": partial(spoil, outputs.virtual, "latent"),
    "stored_in_a_host_file": partial(spoil, outputs.stored_in_a_host_file, "latent"),
    "compressed_bomb": partial(spoil, outputs.compressed_bomb, "latent"),
    "bomb_within_the_bounds": partial(spoil, outputs.bomb_within_the_bounds, "latent"),
    "references": partial(spoil, outputs.references, "latent"),
    "enormous_attribute": partial(spoil, outputs.enormous_attribute),
    "unknown_filter": outputs.unknown_filter,
    "one_long_name": outputs.one_long_name,
    "nested_metrics": outputs.nested_metrics,
    "million_metrics": outputs.million_metrics,
    "repeated_metrics": outputs.repeated_metrics,
    "swelling_metrics": outputs.swelling_metrics,
    "picture_bomb": outputs.picture_bomb,
    "commands_in_a_log": outputs.commands_in_a_log,
    "commands_in_a_reason": outputs.commands_in_a_reason,
    "commands_in_names": outputs.commands_in_names,
    "commands_in_what_is_published": outputs.commands_in_what_is_published,
    "setuid_files": outputs.setuid_files,
}

if __name__ == "__main__":
    BEHAVIOURS[SETTINGS["behaviour"]]()
