"""A run's parts in the object store: interactions and seen items of a range of users, and their split.

A step that goes over them several times keeps them in a folder of its own, from which they are mapped.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from recsys_tasks.artifacts.arrays import read_npz
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.matrices.parts import (
    DTYPES,
    Part,
    PartFacts,
    join_csr,
    join_interactions,
)
from recsys_tasks.matrices.split import Division, Split
from recsys_tasks.pipeline.run import RunFiles
from recsys_tasks.pipeline.run_files import IDS, PARTS, SPLIT


@dataclass(frozen=True, eq=False)
class SplitPart:
    """One part, divided.

    Args:
        part: everything of its users.
        split: in the part's own rows.
    """

    part: Part
    split: Split


@dataclass(frozen=True)
class RunParts:
    """The undivided parts of a run, by number.

    Args:
        files: of the run.
        folder: where parts that were read are kept.
        n_items: items of the catalogue.
        facts: of each part.
    """

    files: RunFiles
    folder: Path
    n_items: int
    facts: tuple[PartFacts, ...]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.facts)

    def read(self, number: int) -> Part:
        """One part, its arrays mapped.

        Raises:
            ArtifactRefused: its file is damaged.
        """
        path = self.files.kept(part_name(number), self.folder)
        arrays = read_npz(path, self.files.key(part_name(number)), DTYPES)
        return Part.from_arrays(self.facts[number].first, self.n_items, arrays)

    def interactions(self) -> Interactions:
        """All parts in one matrix, in memory."""
        return join_interactions([self.read(number).interactions() for number in range(len(self))])

    def seen(self) -> Csr:
        """Everything rated of all users in one matrix; of a single part its indices stay on disk."""
        return join_csr([self.read(number).seen() for number in range(len(self))])


@dataclass(frozen=True)
class RunSplit:
    """The divided parts of a run, by number.

    Args:
        parts: before they were divided.
        has_validation: whether a validation part was asked for.
    """

    parts: RunParts
    has_validation: bool

    def __len__(self) -> int:
        """How many there are."""
        return len(self.parts)

    def read(self, number: int) -> SplitPart:
        """One part and its split, mapped where nothing is chosen.

        Raises:
            ArtifactRefused: a file is damaged.
        """
        part, names = self.parts.read(number), ["train", "validation", "test"]
        if not self.has_validation:
            names.remove("validation")
        files, name = self.parts.files, split_name(number)
        path = files.kept(name, self.parts.folder)
        arrays = read_npz(path, files.key(name), dict.fromkeys(names, "<i4"))
        return SplitPart(part, Division.from_arrays(arrays).split(part.interactions()))

    def whole(self) -> Split:
        """All parts in one split, in memory."""
        splits = [self.read(number).split for number in range(len(self))]
        validation = [one.validation for one in splits if one.validation is not None]
        return Split(
            join_interactions([one.train for one in splits]),
            join_interactions(validation) if validation else None,
            join_interactions([one.test for one in splits]),
        )


@contextmanager
def open_parts(files: RunFiles) -> Iterator[RunParts]:
    """The parts of a run, kept on this machine's disk as they are read, for the block's length.

    Raises:
        NotFound: the data step has not run.
    """
    with tempfile.TemporaryDirectory(prefix="recsys-parts-") as home:
        n_items = len(IDS.read(files).items)
        facts = tuple(PartFacts(**one) for one in PARTS.read(files))
        yield RunParts(files, Path(home), n_items, facts)


@contextmanager
def open_split(files: RunFiles) -> Iterator[RunSplit]:
    """The divided parts of a run; see ``open_parts``."""
    with open_parts(files) as parts:
        yield RunSplit(parts, "validation" in SPLIT.read(files))


def put_parts(files: RunFiles, folder: Path, facts: Sequence[PartFacts]) -> None:
    """Writes the parts that a folder holds, their list last."""
    for number in range(len(facts)):
        files.put_file(part_name(number), folder / Path(part_name(number)).name)
    PARTS.write(files, [asdict(one) for one in facts])


def put_division(files: RunFiles, number: int, division: Division) -> None:
    """Writes where the interactions of a part belong."""
    files.put_arrays(split_name(number), division.to_arrays())


def part_name(number: int) -> str:
    """The file of a part, below the run's prefix."""
    return f"parts/{number:05}.npz"


def split_name(number: int) -> str:
    """The file of a part's split, below the run's prefix."""
    return f"split/{number:05}.npz"
