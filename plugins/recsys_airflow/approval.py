"""A person's word before a promotion, if ``RECSYS_APPROVAL_HOURS`` says how long to wait for it.

Off by default. A rejection, and an answer that does not come in time, end the run with the champion
where it was; the version stays published, and `recsys promote` can still choose it.
"""

import os
from datetime import timedelta
from typing import Any

BODY = """
{% set dataset, _, version, _ = ti.xcom_pull(task_ids="publish")["manifest"].split("/") %}
The gate accepted `{{ version }}`. Approve, and consumers of {{ dataset }} get it; reject, and they keep the champion.

[What changes for whom](PAGES/datasets/{{ dataset }}/compare?a=champion&b={{ version }}), champion beside candidate, and
[the version's report](PAGES/datasets/{{ dataset }}/versions/{{ version }}/report).

{% for name, value in ti.xcom_pull(task_ids="evaluate").items() %}
- {{ name }}: {{ value }}
{% endfor %}
"""


SUBJECT = 'Give consumers version {{ ti.xcom_pull(task_ids="publish")["manifest"].split("/")[2] }}?'


def approval() -> list[Any]:
    """The task to put before ``promote``: one, or none where no person is asked."""
    hours = float(os.environ.get("RECSYS_APPROVAL_HOURS", "0"))
    if hours <= 0:
        return []
    from recsys_airflow.approval_operator import TellingApproval
    from recsys_airflow.links import pages
    from recsys_tasks.pipeline.step_list import APPROVAL

    waiting = TellingApproval(
        task_id=APPROVAL,
        subject=SUBJECT,
        body=BODY.replace("PAGES/", pages("")),
        fail_on_reject=True,
        response_timeout=timedelta(hours=hours),
        retries=0,
        doc_md="Wait for a person's approval in Airflow's UI. A rejection fails the run at once.",
    )
    return [waiting]
