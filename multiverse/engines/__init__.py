"""One file per way to execute a job, behind one small protocol.

May import specs, contract and images.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.engines.log_sink import last_lines, printable
else:
    __getattr__ = lazily(__name__, log_sink="last_lines printable")

__all__ = ["last_lines", "printable"]
