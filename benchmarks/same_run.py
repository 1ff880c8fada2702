"""Whether two manifests describe the same run: every key and hash, apart from code and libraries.

    recsys show VERSION --json > before.json      with the code of one commit
    recsys show VERSION --json > after.json       with the code of another, same data and run id
    python -m benchmarks.same_run before.json after.json

Prints each key that differs; exits with 0 where none does, else with 1.
"""

import json
import sys
from pathlib import Path
from typing import Any

MAY_DIFFER = ("code.", "libraries.")
"""What another commit or another machine may change."""


def main() -> int:
    """Compares the two files that the command line names."""
    before, after = (leaves(json.loads(Path(name).read_text())) for name in sys.argv[1:])
    names = sorted(name for name in before.keys() | after.keys() if not name.startswith(MAY_DIFFER))
    differing = [name for name in names if before.get(name) != after.get(name)]
    for name in differing:
        print(f"{name}: {before.get(name, 'absent')} | {after.get(name, 'absent')}")
    print(f"{len(names) - len(differing)} of {len(names)} keys are equal")
    return 1 if differing else 0


def leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    """The values of a JSON document by dotted path; a list counts as one value."""
    if not isinstance(tree, dict):
        return {prefix.removesuffix("."): tree}
    return {
        path: value
        for name, below in tree.items()
        for path, value in leaves(below, f"{prefix}{name}.").items()
    }


if __name__ == "__main__":
    raise SystemExit(main())
