"""How the demo shows numbers."""

from recsys_tasks.devstack.demo_summary import metrics_table


def test_the_model_stands_beside_each_baseline_in_every_view():
    values = {"precision_at_5": 0.17391, "auc": 0.9}
    popular = {"test_served": {"precision_at_5": 0.0954, "auc": None}}
    lines = metrics_table({"test_served": values, "baselines": {"popular": popular}})
    assert lines[0].split() == ["model", "popular"]
    assert lines[2].split() == ["precision_at_5", "0.1739", "0.0954"]
    assert lines[3].split() == ["auc", "0.9000", "-"]
