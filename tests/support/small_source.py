"""Two small CSV files that a run trains on in a second: users of three tastes over three kinds of movies."""

from pathlib import Path

import numpy as np

GENRES = ("Comedy", "Drama", "Sci-Fi")


def write_source(
    folder: Path, n_users: int = 60, n_items: int = 45, seed: int = 1
) -> dict[str, str]:
    """Settings that name the two files."""
    rng = np.random.default_rng(seed)
    movies = [
        f"{item},Film {item} (19{item:02}),{GENRES[item % 3]}" for item in range(1, n_items + 1)
    ]
    ratings = [
        f"{user},{item},{5.0 if item % 3 == user % 3 else 2.0},{964982703 + 100 * user + item}"
        for user in range(1, n_users + 1)
        for item in sorted(rng.choice(n_items, 18, replace=False) + 1)
    ]
    for name, head, lines in (
        ("movies", "movieId,title,genres", movies),
        ("ratings", "userId,movieId,rating,timestamp", ratings),
    ):
        (folder / f"{name}.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return {f"source.{name}": str(folder / f"{name}.csv") for name in ("movies", "ratings")}
