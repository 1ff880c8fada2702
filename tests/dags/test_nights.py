"""What a run may know, by the night that it is for, and that a backfill moves nothing."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from recsys_tasks.config.settings import Settings

pytestmark = pytest.mark.airflow

END = datetime(2026, 11, 20, 3, tzinfo=UTC)
AFTER = datetime(2026, 11, 20, 3, 30, tzinfo=UTC)
QUICK = Settings.load("quick")


def run_of(kind: str, end: datetime | None = END) -> SimpleNamespace:
    return SimpleNamespace(run_type=kind, data_interval_end=end, run_after=AFTER, conf={})


@pytest.mark.parametrize(
    ("kind", "end", "as_of", "until"),
    [
        ("backfill", END, END, None),
        ("backfill", None, AFTER, None),
        ("scheduled", END, None, END),
        ("asset_triggered", None, None, AFTER),
        ("manual", END, None, None),
    ],
)
def test_a_run_knows_what_was_known_at_the_end_of_its_data_interval(kind, end, as_of, until):
    from recsys_airflow.nights import known_to

    found = known_to(run_of(kind, end), QUICK)
    assert (found.as_of_time(), found.rated_until_time()) == (as_of, until)
    assert Settings.model_validate(found.model_dump()) == found


def test_a_moment_that_the_settings_name_is_kept():
    from recsys_airflow.nights import known_to

    given = Settings.load("quick", overrides={"positives.as_of": "2026-01-01T00:00:00Z"})
    assert known_to(run_of("scheduled"), given) == given


def test_a_backfill_is_skipped_where_it_would_promote_unless_it_is_asked_to():
    from recsys_airflow.nights import leave_champion_alone

    with pytest.raises(AirflowSkipException, match="backfill_promotes"):
        leave_champion_alone(QUICK, run_of("backfill"))
    asked = Settings.load("quick", overrides={"publish.backfill_promotes": True})
    leave_champion_alone(asked, run_of("backfill"))
    leave_champion_alone(QUICK, run_of("scheduled"))
