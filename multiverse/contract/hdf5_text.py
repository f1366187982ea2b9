"""The length of texts in a dataset, told by what points to them: not one of them is read.

A dataset of texts holds a length and a place for each; the texts lie in heaps, uncompressed. So
all of them together are never longer than the file, unless several are one and the same: a small
file would then unpack to more memory than there is.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z

from multiverse.contract.hdf5_reads import CountedReads

#: Pointers that are looked at a time.
_BLOCK = 1_000_000


def text_bytes(dataset: h5d.DatasetID, file: h5py.File, reads: CountedReads) -> int | None:
    """Return the bytes of all texts of a dataset; None where they can't be measured.

    Raises OSError where they lie in a heap that is damaged.
    """
    address, _ = file.id.get_create_plist().get_sizes()
    width = 4 + address + 4  # how many values, where, and which of that heap
    kind = dataset.get_type()
    unit = kind.get_super().get_size() if isinstance(kind, h5t.TypeVlenID) else 1
    plist = dataset.get_create_plist()
    if plist.get_layout() == h5d.CONTIGUOUS:
        blocks = contiguous_blocks(dataset, width, reads)
    elif plist.get_layout() == h5d.CHUNKED:
        blocks = chunk_blocks(dataset, plist, width)
    else:
        return None
    total, base = 0, file.userblock_size
    for pointers in blocks:
        lengths = np.ascontiguousarray(pointers[:, :4]).view("<u4")
        total += unit * int(lengths.sum(dtype=np.int64))
        places = np.zeros((len(pointers), 8), dtype=np.uint8)
        places[:, :address] = pointers[:, 4 : 4 + address]
        for place in np.unique(places.view("<u8")[lengths > 0]).tolist():
            reads.check_heap(base + place)
    return total


def contiguous_blocks(
    dataset: h5d.DatasetID, width: int, reads: CountedReads
) -> Iterator[np.ndarray]:
    """Yield the pointers of a dataset that lies in one piece, as bytes of shape (n, ``width``)."""
    start, number = dataset.get_offset(), math.prod(dataset.shape)
    if start is None or not dataset.get_storage_size():
        return
    for first in range(0, number, _BLOCK):
        wanted = min(_BLOCK, number - first) * width
        block = os.pread(reads.descriptor, wanted, start + first * width)
        if len(block) < wanted:
            raise OSError("texts are said to lie beyond the end of the file")
        yield np.frombuffer(block, dtype=np.uint8).reshape(-1, width)


def chunk_blocks(dataset: h5d.DatasetID, plist: h5p.PropDCID, width: int) -> Iterator[np.ndarray]:
    """Yield the pointers of each chunk, unpacked by the filters of the dataset.

    The library gives out a chunk as it is stored. It is put into a file in memory, as a chunk of
    bytes of the same width, from where it can be read without anything being followed.
    """
    shape = plist.get_chunk()
    kind = h5t.create(h5t.OPAQUE, width)
    kind.set_tag(b"")
    copies: dict[int, h5d.DatasetID] = {}
    with h5py.File("pointers", "w", driver="core", backing_store=False) as memory:
        values = np.empty((*shape, width), dtype=np.uint8)
        for number in range(dataset.get_num_chunks()):
            info = dataset.get_chunk_info(number)
            skipped, packed = dataset.read_direct_chunk(info.chunk_offset)
            if skipped not in copies:
                like, name = _used_filters(plist, skipped), b"chunk%d" % len(copies)
                space = h5s.create_simple(shape, shape)
                copies[skipped] = h5d.create(memory.id, name, kind, space, like)
            copy = copies[skipped]
            copy.write_direct_chunk((0,) * len(shape), packed)
            copy.read(h5s.ALL, h5s.ALL, values, kind)
            # What a chunk at the edge has beyond the dataset is of no meaning, and never read.
            sides = zip(dataset.shape, info.chunk_offset, strict=True)
            inside = tuple(slice(max(0, most - first)) for most, first in sides)
            yield values[inside].reshape(-1, width)


def _used_filters(plist: h5p.PropDCID, skipped: int) -> h5p.PropDCID:
    """Return the chunks and filters of a dataset, but those that a chunk was stored without.

    ``skipped`` is the chunk's own mask, a bit a filter: R's library shuffles no texts.
    """
    like = h5p.create(h5p.DATASET_CREATE)
    like.set_chunk(plist.get_chunk())
    for number in range(plist.get_nfilters()):
        code, flags, settings, _ = plist.get_filter(number)
        if not skipped >> number & 1:
            like.set_filter(code, flags, settings if code > h5z.FILTER_RESERVED else settings[:1])
    return like
