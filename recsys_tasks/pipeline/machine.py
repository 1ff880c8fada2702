"""Memory and processors of this machine, and what a process has used of them."""

import resource
import sys
from pathlib import Path

LIMIT = Path("/sys/fs/cgroup/memory.max")
USED = Path("/sys/fs/cgroup/memory.current")
MEMINFO = Path("/proc/meminfo")
STATUS = Path("/proc/self/status")


def available_memory() -> int:
    """Bytes that a process may still take: the kernel's estimate, or less under a container's limit.

    Unlimited (2**63) where neither can be read, as on a machine that is not Linux.
    """
    return min(_of_machine(), _of_container())


def peak_memory() -> int:
    """Bytes that this process has held at most.

    On Linux from ``VmHWM``: ``ru_maxrss`` begins with the peak of the process that it was forked from.
    """
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _of_machine() -> int:
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return 2**63
    kilobytes = dict(line.split()[:2] for line in lines)["MemAvailable:"]
    return int(kilobytes) * 1024


def _of_container() -> int:
    """What is left below a cgroup v2 limit."""
    try:
        limit, used = (place.read_text(encoding="ascii").strip() for place in (LIMIT, USED))
    except OSError:
        return 2**63
    return 2**63 if limit == "max" else max(0, int(limit) - int(used))
