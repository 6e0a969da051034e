"""The time that a search may take, over all its runs: a search that was killed goes on with what is left."""

import json
import time
from pathlib import Path


class Clock:
    """Counts the seconds of this run and of those before it, which ``file`` keeps; ``minutes`` None: there is no end."""

    def __init__(self, minutes: float | None, file: Path):
        self.seconds, self.file = None if minutes is None else 60 * minutes, file
        self.before = json.loads(file.read_text(encoding="utf-8"))["seconds"] if file.exists() else 0.0
        self.start = time.monotonic()

    @property
    def used(self) -> float:
        """The seconds that are used up."""
        return self.before + time.monotonic() - self.start

    def left(self, reserve: float = 0.0) -> float | None:
        """Return the seconds that are left beside a reserve, at least 0; None where there is no end."""
        return None if self.seconds is None else max(0.0, self.seconds - self.used - reserve)

    def restart(self) -> None:
        """Forget the runs before this one, which were of another experiment with the same name."""
        self.before = 0.0

    def save(self) -> None:
        """Keep what is used up for a later run."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps({"seconds": round(self.used, 1)}) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        of = "" if self.seconds is None else f" of {_minutes(self.seconds)}"
        return f"[{_minutes(self.used)}{of}]"


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
