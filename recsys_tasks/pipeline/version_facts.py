"""The sections of a manifest that say how a version was made: data, settings, code, libraries."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from recsys_tasks.artifacts.manifest import SCHEMA_OF
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.checks import table_facts
from recsys_tasks.data.tables import SYNTHETIC_TITLE, EventTally, FileAccount, RatingTally
from recsys_tasks.matrices.interactions import ItemFeatures
from recsys_tasks.matrices.parts import PartFacts
from recsys_tasks.matrices.split import split_facts
from recsys_tasks.model.engines.protocol import Fitted
from recsys_tasks.pipeline.run import RunFiles
from recsys_tasks.pipeline.run_files import DATA, FINALISED_FACTS, GATE, IDS, TRAINING

log = logging.getLogger(__name__)

LIBRARIES = ("annoy", "lightfm-next", "numpy", "scipy")
"""What a version's numbers depend on, beside Python and this project."""


def data_facts(
    tally: RatingTally,
    parts: Sequence[PartFacts],
    features: ItemFeatures,
    titles: Iterable[str],
    settings: Settings,
) -> dict[str, Any]:
    """The manifest's ``data`` without its files: sizes and shares of what is trained on."""
    weaker = sum(part.interactions - part.positives for part in parts)
    return {
        **table_facts(tally, settings.positives.threshold),
        **({"events": sum(tally.types.values())} if isinstance(tally, EventTally) else {}),
        "weaker_positives": weaker,
        "users_with_positives": sum(part.users_with_positives for part in parts),
        "oldest_rating": tally.oldest,
        "histogram": tally.histogram(),
        "features": {
            "rows": features.matrix.shape[0],
            "columns": features.matrix.shape[1],
            "elements": features.matrix.nnz,
        },
        "as_of": settings.positives.as_of or settings.positives.rated_until,
        "synthetic_movies": sum(title.startswith(SYNTHETIC_TITLE) for title in titles),
    }


def lineage(files: Iterable[FileAccount]) -> list[dict[str, Any]]:
    """The manifest's ``data.files``: what was loaded behind the rows that are trained on."""
    return [
        {
            "role": file.role,
            "name": file.name,
            "sha256": file.sha256,
            "loaded": file.loaded,
            "rejected": file.rejected,
        }
        for file in files
    ]


def manifest_sections(
    files: RunFiles, settings: Settings, index: dict[str, Any], metrics: dict[str, Any]
) -> dict[str, Any]:
    """All sections of a manifest but ``files``, as JSON values; the same run gives the same."""
    training, ids = TRAINING.read(files), IDS.read(files)
    return {
        "schema_version": SCHEMA_OF[ids.noun],
        "dataset": files.run.dataset,
        "version": files.run.version,
        "run": files.run.document(),
        "code": {"revision": code_revision()},
        "libraries": library_versions(),
        "model": {
            **settings.train.model_dump(mode="json"),
            "engine": settings.train.engine_used,
            "epochs": training["epochs"],
            "warm_starts": training["warm_starts"],
            "reproducible": settings.train.threads == 1,
            **training["model"],
            **(FINALISED_FACTS.read(files)["model"] if settings.train.finalise else {}),
            **whose_metrics(settings),
        },
        "index": index,
        "split": split_facts(settings.split, ids.have_keys),
        "metrics": metrics,
        "gate": GATE.read(files),
        "data": DATA.read(files)
        | {"positives_settings": settings.positives.model_dump(mode="json")},
    }


def fit_facts(fitted: Fitted) -> dict[str, Any]:
    """The manifest's ``model`` as far as a fit decides it: what the settings left to a choice, too."""
    chosen = fitted.chosen
    return {
        **fitted.facts,
        "components": fitted.model.user_embeddings.shape[1],
        "engine": chosen.engine_used,
        "ridge_svd": chosen.ridge_svd.model_dump(mode="json"),
        "blend": chosen.blend.model_dump(mode="json"),
    }


def whose_metrics(settings: Settings) -> dict[str, str]:
    """``trained_on``, the parts that the published model was fitted on; ``metrics_of``, ``judged`` or ``published``.

    ``judged``: the metrics are of a model that was not trained on the test part, unlike the published one.
    """
    wanted, validated = settings.train, settings.split.validation_fraction > 0
    validation = ["validation"] if validated and (wanted.refit or wanted.finalise) else []
    test = ["test"] if wanted.finalise else []
    return {
        "trained_on": "+".join(["train", *validation, *test]),
        "metrics_of": "judged" if wanted.finalise else "published",
    }


def library_versions() -> dict[str, str]:
    """Versions of Python, this project and the libraries that a version's numbers depend on."""
    python = ".".join(map(str, sys.version_info[:3]))
    found = {name: metadata.version(name) for name in (*LIBRARIES, "recsys-tasks")}
    return {"python": python, **found}


def code_revision() -> str:
    """``RECSYS_REVISION``, else the checkout's commit, else the installed version.

    Never an error: hours of training must not be lost to a git that is missing or refuses.
    """
    if given := os.environ.get("RECSYS_REVISION"):
        return given
    checkout = Path(__file__).parents[1]
    if not (checkout / ".git").exists():
        return metadata.version("recsys-tasks")
    # The owner of a mounted checkout is seldom the one who runs it.
    trusted = ["-c", f"safe.directory={checkout}"]
    command = ["git", *trusted, "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        log.warning("the manifest names the version instead of the commit: %s", error)
        return f"{metadata.version('recsys-tasks')}, commit unknown"
