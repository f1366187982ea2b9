"""Run while the image is built: a program that asks for capabilities when it is started."""

import os
import struct

VERSION_2, EFFECTIVE = 0x02000000, 1
#: CAP_DAC_OVERRIDE and CAP_NET_RAW, which the daemon gives to containers unless told otherwise.
WANTED = 1 << 1 | 1 << 13

os.setxattr(
    "/opt/hostile/capable",
    "security.capability",
    struct.pack("<5I", VERSION_2 | EFFECTIVE, WANTED, 0, 0, 0),
)
