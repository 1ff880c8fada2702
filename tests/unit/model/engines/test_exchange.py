"""The folder between the task and its executors: who may write, and what is read back."""

import pytest

from recsys_tasks.config.settings import SparkSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.model.engines.spark import exchange
from recsys_tasks.model.engines.spark.session import properties

UMASK = ("spark.hadoop.fs.permissions.umask-mode", "002")


@pytest.mark.parametrize(
    ("above", "mode", "shared"),
    [(0o2775, 0o2775, True), (0o775, 0o755, False), (0o2755, 0o755, False)],
)
def test_a_group_may_write_where_the_exchange_was_given_to_it_and_nowhere_else(
    tmp_path, above, mode, shared
):
    home = tmp_path / "exchange" / "run"
    home.mkdir(parents=True, mode=0o700)
    home.parent.chmod(above)
    exchange.open_up(home)
    assert home.stat().st_mode & 0o7777 & ~0o2000 == mode & ~0o2000
    assert (UMASK in properties(SparkSettings(), home)) is shared


def test_a_folder_in_which_the_executors_leave_nothing_is_refused(tmp_path):
    class Elsewhere:
        """A session whose executors write on another machine's disk."""

        @property
        def write(self):
            return self

        def range(self, n):
            return self

        def parquet(self, folder):
            (tmp_path / "_SUCCESS").touch()

    with pytest.raises(TrainingRefused, match=r"left nothing in .*spark\.exchange must name"):
        exchange.prove_shared(Elsewhere(), tmp_path)
