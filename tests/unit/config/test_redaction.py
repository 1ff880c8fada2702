"""No login, signature or token of an address is shown anywhere."""

import pytest

from recsys_tasks.config.redaction import redacted, redacted_tree

SECRET = "s3cr3tvalue"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"https://me:{SECRET}@host/a.csv?token={SECRET}#x", "https://host/a.csv"),
        (f"https://me:pa/{SECRET}@host/a.csv", "https://host/a.csv"),
        (f"https://me:p?{SECRET}@host:80/a.csv", "https://host:80/a.csv"),
        (f"https://me:p@{SECRET}@host/a.csv", "https://host/a.csv"),
        (f"https://{SECRET}@host/a@b.csv", "https://host/a@b.csv"),
        (f"HTTPS://me:{SECRET}@HOST/a.csv", "HTTPS://HOST/a.csv"),
        (f"s3://key:{SECRET}@bucket/a.csv", "s3://bucket/a.csv"),
        (f"postgresql://me:{SECRET}@[::1]:5432/db: away", "postgresql://[::1]:5432/db: away"),
        (
            f"https://b.s3/k?X-Amz-Credential=a&X-Amz-Signature={SECRET} is away",
            "https://b.s3/k is away",
        ),
        (
            f"Max retries exceeded with url: /k?X-Amz-Signature={SECRET}",
            "Max retries exceeded with url: /k",
        ),
        (f"a signature={SECRET} and Token={SECRET}", "a signature=*** and Token=***"),
        (f"me:{SECRET}@host/a.csv: no such file", "host/a.csv: no such file"),
        (f"<a href='https://me:{SECRET}@host/a?s={SECRET}'>", "<a href='https://host/a'>"),
    ],
)
def test_a_secret_of_an_address_is_not_shown(text, shown):
    assert redacted(text) == shown
    assert SECRET not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "data/movies.csv",
        "https://host:8080/a/b.csv",
        "s3://bucket/in/movies.csv.gz",
        "line 4, column rating: '7' is not one of 0.5 to 5; expected stars",
        "version 20261124T030000Z-1a2b3c4d of shop at 03:00, ask ops@example.org",
        "gate.min_precision=0.05?",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text):
    assert redacted(text) == text


def test_every_text_of_a_document_is_redacted():
    document = {"a": [f"http://u:{SECRET}@h/x", 1, None], "b": {"c": f"http://h/?sig={SECRET}"}}
    assert redacted_tree(document) == {"a": ["http://h/x", 1, None], "b": {"c": "http://h/"}}
