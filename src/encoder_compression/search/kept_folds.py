"""The finished folds of a running trial, beside the outputs: a trial that is drawn again after a kill goes on behind them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KeptFolds:
    """A file of what folds gave. ``claim`` is all that decides it, as JSON takes it; what another trial left is not read."""

    path: Path
    claim: list

    def recall(self) -> list[dict]:
        """Return what the folds that are done gave, the first one first."""
        if not self.path.exists():
            return []
        kept = json.loads(self.path.read_text(encoding="utf-8"))
        return kept["folds"] if kept["claim"] == self._hash() else []

    def remember(self, folds: list[dict]) -> None:
        """Write down what the folds that are done gave, whole or not at all."""
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps({"claim": self._hash(), "folds": folds}), encoding="utf-8")
        part.replace(self.path)

    def _hash(self) -> str:
        return hashlib.sha256(json.dumps(self.claim, sort_keys=True).encode()).hexdigest()
