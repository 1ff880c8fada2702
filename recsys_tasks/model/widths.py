"""Which widths of ridge-svd the engine auto tries, on data of which size."""

from recsys_tasks.config.settings import WIDER, TrainSettings

WIDEST = 512
"""Tried where vectors so wide cost little."""

FEW_ROWS = 50_000
"""Users and items together up to which they do: 100 MB."""


def widths_tried(train: TrainSettings, n_users: int, n_items: int) -> tuple[int, ...]:
    """Components to try, those of the settings first, then wider ones; other engines try nothing else.

    Args:
        train: the settings.
        n_users, n_items: rows of the data; no width above the smaller of both is tried beyond ``WIDER``.
    """
    own = train.ridge_svd.components
    if train.engine != "auto":
        return (own,)
    allowed = n_users + n_items <= FEW_ROWS and min(n_users, n_items) >= WIDEST
    return (own, *(width for width in (WIDER, *[WIDEST] * allowed) if width > own))
