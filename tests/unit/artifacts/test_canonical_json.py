"""JSON as a value: equal content, equal bytes; ambiguous documents refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.artifacts import canonical_json
from recsys_tasks.errors import ArtifactRefused

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abcdé\n"), inner),
    max_leaves=20,
)


@given(values)
def test_what_is_written_is_read_back(value: object) -> None:
    assert canonical_json.from_bytes(canonical_json.to_bytes(value), "x") == value


@given(st.dictionaries(st.text("abc"), st.integers()), st.randoms())
def test_the_order_of_keys_does_not_show(pairs: dict[str, int], rng: object) -> None:
    shuffled = list(pairs.items())
    rng.shuffle(shuffled)
    assert canonical_json.to_bytes(dict(shuffled)) == canonical_json.to_bytes(pairs)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {"deep": [float("-inf")]}])
def test_nan_and_infinity_are_not_written(bad: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json.to_bytes(bad)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b'{"a": 1, "a": 2}', "'a' twice"),
        (b'{"x": {"b": 1, "b": 1}}', "'b' twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": "\xff"}', "utf-8"),
        (b"{", "not acceptable"),
        (b"", "not acceptable"),
        (b"1" * 5000, "not acceptable"),
        (b"[" * 100_000 + b"]" * 100_000, "not acceptable|nested"),
        (b"[" * 100 + b"]" * 100, "nested deeper"),
        (b'"' + b"a" * canonical_json.MAX_BYTES + b'"', "bytes of JSON"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_hostile_document_is_refused_with_its_name(document: bytes, reason: str) -> None:
    with pytest.raises(ArtifactRefused, match=reason) as refused:
        canonical_json.from_bytes(document, "it.json")
    assert refused.value.name == "it.json"
