"""Which users a channel beside the champion answers: the same ones at every call, in every process."""

import hashlib

from recsys_tasks.artifacts.ids import Id


def is_in_share(salt: str, user_id: Id, share: float) -> bool:
    """Whether a user is among the share, by a hash of the user and nothing that changes.

    Args:
        salt: dataset and channel, so that two channels do not get the same users.
        user_id: external id.
        share: of all users, in [0, 1]; a larger one keeps those that a smaller one has.
    """
    digest = hashlib.sha256(f"{salt}\n{user_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
