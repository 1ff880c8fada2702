"""Checks the inside of an ``items.ann`` before annoy loads it; annoy itself checks nothing.

Every node has the same size: the count of items below it, then the numbers of its two children or
of the items in a bucket, then a vector. Items come first, the roots again at the end, and a child
always stands before its parent, so a file that passes can be searched without leaving it or going
in circles.

Source:
    the layout that annoy 1.17.3 writes, which ``annoy_format`` pins to this build.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ann_index import Metric
from recsys_tasks.errors import ArtifactRefused

HEAD_WORDS: dict[Metric, int] = {"angular": 3, "dot": 4}
"""4-byte words of a node before its vector: count, two children and, for dot, a factor."""

CHUNK = 1 << 16
"""Nodes that are checked at a time."""


@dataclass(frozen=True)
class Layout:
    """What a file of this metric and width must look like."""

    words: int
    """4-byte words of a node."""

    bucket: int
    """Items that a bucket can hold: the words after the count."""

    @classmethod
    def of(cls, metric: Metric, width: int) -> "Layout":
        """The layout of an index with this metric and this many columns."""
        words = HEAD_WORDS[metric] + width
        return cls(words, words - 1)


def check_annoy_file(path: Path, metric: Metric, width: int, n_items: int, trees: int) -> None:
    """Passes a file that annoy can search safely.

    Args:
        path: the file.
        metric: the index's metric.
        width: columns of a row.
        n_items: items that it must hold.
        trees: trees that it must hold.

    Raises:
        ArtifactRefused: another size, another number of items, or a reference that leads astray.
    """
    layout = Layout.of(metric, width)
    size = path.stat().st_size
    if size % (4 * layout.words) or size < 4 * layout.words * (n_items + trees):
        raise ArtifactRefused("items.ann", f"{size} bytes are not an index of {n_items} x {width}")
    nodes = np.memmap(path, "<i4", "r").reshape(-1, layout.words)
    roots = nodes[-trees:, 0]
    if not (nodes[:n_items, 0] == 1).all() or not (roots == n_items).all():
        raise ArtifactRefused("items.ann", f"does not hold {n_items} items under {trees} roots")
    for start in range(n_items, len(nodes), CHUNK):
        if not _sound(nodes[start : start + CHUNK], start, n_items, layout.bucket):
            raise ArtifactRefused("items.ann", f"a node from {start} on leads outside of the index")


def _sound(nodes: NDArray[np.int32], start: int, n_items: int, bucket: int) -> bool:
    counts = nodes[:, 0]
    if not ((counts >= 1) & (counts <= n_items)).all():
        return False
    inner = counts > bucket
    own = np.arange(start, start + len(nodes))[inner]
    children = nodes[inner, 1:3]
    held = nodes[~inner, 1:]
    used = np.arange(bucket) < counts[~inner, None]
    return bool(
        (children >= 0).all()
        and (children < own[:, None]).all()
        and ((held >= 0) & (held < n_items))[used].all()
    )
