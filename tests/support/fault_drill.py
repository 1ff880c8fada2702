"""A publish put through every fault at every request, and killed at every step; what held, as a table.

The whole drill takes some minutes: ``python tests/support/fault_drill.py docs/fault-injection.md``
runs it and writes its table. The test suite runs the part that finds most in little time.
"""

import hashlib
import json
import multiprocessing
import os
import secrets
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from fault_proxy import KINDS, Fault, FaultProxy
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore, Patience
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.artifacts.versions import list_manifests, read_manifest
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import ArtifactRefused, NotFound, RecsysError
from recsys_tasks.publish.channels import promote
from recsys_tasks.publish.history import history
from recsys_tasks.publish.publisher import publish
from recsys_tasks.publish.verify import verify

BRISK = Patience(tries=5, first_pause=0.01, longest_pause=0.05, deadline=9, read_timeout=0.3)
CALM = Patience()


def flow(access: StoreAccess, patience: Patience, folder: Path, document: bytes) -> None:
    """What the tasks publish, verify and promote do, in one process."""
    store, manifest = ObjectStore(access, patience), Manifest.from_bytes(document)
    publish(store, DATASET, manifest.version, folder, manifest)
    verify(store, DATASET, manifest.version, manifest.sha256())
    promote(store, nullcontext(), DATASET, manifest.version, by="drill", verify=unchecked)


@dataclass
class Drill:
    """One bucket behind a proxy, a version's files, and the champion that each fault tries to break."""

    proxy: FaultProxy
    folder: Path
    sealed: Manifest
    number: int = 0

    def __post_init__(self) -> None:
        self.direct = ObjectStore(self.proxy.upstream, CALM)
        self.champion = self.next_manifest()
        flow(self.proxy.upstream, CALM, self.folder, self.champion.to_bytes())
        self.requests = self.count_requests()
        self.forks = multiprocessing.get_context("forkserver")
        self.forks.set_forkserver_preload(["recsys_tasks.publish.verify"])

    def next_manifest(self) -> Manifest:
        """The same files under the next name: versions differ in nothing else."""
        self.number += 1
        return self.sealed.model_copy(update={"version": f"20261124T030000Z-{self.number:08x}"})

    def count_requests(self) -> list[str]:
        """The requests of one undisturbed flow, each without the names that change."""
        candidate = self.next_manifest()
        self.proxy.arm(None)
        flow(self.proxy.access, BRISK, self.folder, candidate.to_bytes())
        self.champion = candidate
        return [line.replace(candidate.version, "<version>") for line in self.proxy.seen]

    def strike(self, fault: Fault) -> str:
        """One flow under a fault; how it ended."""
        candidate = self.next_manifest()
        self.proxy.arm(fault)
        try:
            flow(self.proxy.access, BRISK, self.folder, candidate.to_bytes())
            ended = "completed"
        except RecsysError as error:
            ended = type(error).__name__
        self.settle(candidate, ended == "completed")
        return ended

    def kill(self, at: int, answered: bool) -> str:
        """One flow in a process of its own, killed at a request: before it or after its answer."""
        candidate = self.next_manifest()
        arguments = (self.proxy.access, BRISK, self.folder, candidate.to_bytes())
        child = self.forks.Process(target=flow, args=arguments)

        def strike(number: int) -> None:
            if number == at and child.pid:
                os.kill(child.pid, signal.SIGKILL)
                raise ConnectionAbortedError  # the proxy hangs up: nobody is there any more

        self.proxy.arm(None)
        self.proxy.before, self.proxy.after = (None, strike) if answered else (strike, None)
        child.start()
        child.join()
        self.proxy.before = self.proxy.after = None
        assert child.exitcode == -signal.SIGKILL, child.exitcode
        self.settle(candidate, completed=False)
        return "killed"

    def settle(self, candidate: Manifest, completed: bool) -> None:
        """What must hold after a fault, then the rerun, then what must hold after that.

        Raises:
            AssertionError: the champion broke, a half version shows, or the rerun did not finish.
        """
        self.proxy.arm(None)
        pointer = read_pointer(self.direct, DATASET)
        expected = [candidate.version] if completed else [self.champion.version, candidate.version]
        assert pointer is not None, "the champion is gone"
        assert pointer.version in expected, f"the champion is {pointer.version}"
        self.assert_whole(read_manifest(self.direct, DATASET, pointer.version))
        shown = None
        with suppress(NotFound, ArtifactRefused):  # not there, or not a manifest: no version
            shown = read_manifest(self.direct, DATASET, candidate.version)
        if shown:
            self.assert_whole(shown)
        if not completed:
            flow(self.proxy.upstream, CALM, self.folder, candidate.to_bytes())
        now = read_pointer(self.direct, DATASET)
        assert now is not None
        assert (now.version, now.previous) == (candidate.version, self.champion.version)
        prefix = keys.version(DATASET, candidate.version)
        left = {found.key.removeprefix(prefix) for found in self.direct.list(prefix)}
        assert left == {*candidate.files, keys.MANIFEST}, f"left behind: {sorted(left)}"
        self.champion = candidate

    def assert_whole(self, manifest: Manifest) -> None:
        prefix = keys.version(manifest.dataset, manifest.version)
        for name, facts in manifest.files.items():
            digest = hashlib.sha256(self.direct.get(prefix + name)).hexdigest()
            assert digest == facts.sha256, f"{name} of {manifest.version} is not whole"

    def assert_history(self) -> None:
        """Every version that was made became champion once, in order, without a gap."""
        moves = history(self.direct, DATASET)
        assert [move.move for move in moves] == list(range(1, len(moves) + 1))
        assert [m.version for m in list_manifests(self.direct, DATASET)] == sorted(
            (move.version for move in moves), reverse=True
        )


@contextmanager
def drill(access: StoreAccess, folder: Path) -> Iterator[Drill]:
    """A drill on an empty bucket, with the smallest version there is."""
    sealed = make_version(folder, n_users=12, n_items=30)
    with FaultProxy(access, stall=0.45).running() as proxy:
        yield Drill(proxy, folder, sealed)


def run_all(held: Drill) -> dict[str, dict[str, list[str]]]:
    """Every fault at every request, once and lasting, and every kill: endings by request and fault."""
    table: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for at, line in enumerate(held.requests):
        row = table[f"{at + 1}. {line.split('?')[0]}"]
        for kind in KINDS:
            row[kind] = [held.strike(Fault(kind, at)), held.strike(Fault(kind, at, lasting=True))]
        row["kill -9 before it"] = [held.kill(at, answered=False)]
        row["kill -9 after it"] = [held.kill(at, answered=True)]
        print(json.dumps({"request": at + 1, "of": len(held.requests)}), file=sys.stderr)
    held.assert_history()
    return table


def as_markdown(table: dict[str, dict[str, list[str]]]) -> str:
    """The table with one row a request; each cell: how it ended when struck once, and ever after."""
    short = {"completed": "done", "StoreUnavailable": "away", "ArtifactRefused": "refused"}
    kinds = list(next(iter(table.values())))
    lines = [f"| request | {' | '.join(kinds)} |", f"|---{'|---' * len(kinds)}|"]
    for request, row in table.items():
        cells = [" / ".join(short.get(e, e) for e in row[kind]) for kind in kinds]
        lines.append(f"| `{request}` | {' | '.join(cells)} |")
    return "\n".join(lines)


HEAD = """# Publishing under fire

Written by `python tests/support/fault_drill.py docs/fault-injection.md`, not by hand. A proxy
between the publisher and a real S3 server strikes at one request of publish, verify and promote in
turn. Each cell says how that run ended: first struck once (retries should mend it), then struck at
this request and at all after it. `done`: completed; `away`: `StoreUnavailable`, a retry can help;
`refused`: `ArtifactRefused`. `killed`: SIGKILL to the publishing process.

After every single one of these {runs} runs the following held: the champion pointed to a version
whose every file had its sha256; no version showed that was not whole; running again finished the
work, moved the champion, and left no other file behind. At the end the history had no gap.

"""


def main(out: Path) -> None:
    """Runs the whole drill on an S3 server of its own and writes the table."""
    from recsys_tasks.devstack.s3 import make_bucket, start_s3

    with tempfile.TemporaryDirectory(prefix="recsys-drill-") as home:
        server = start_s3(Path(home), secrets.token_hex(8), secrets.token_hex(20), "recsys")
        try:
            make_bucket(server.access)
            with drill(server.access, Path(home) / "version") as held:
                table = run_all(held)
                runs = held.number - 2
        finally:
            server.stop()
    out.write_text(HEAD.format(runs=runs) + as_markdown(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
