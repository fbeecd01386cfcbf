"""What happened in a run: one record an optimizer step, in memory as a table and on disk as JSON lines."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pqa_lab.errors import InputError


@dataclass
class History:
    """Records of a run; ``.table`` is the DataFrame.

    A record has ``step`` (from 1), ``epoch`` (passes over the data so far, fractional), ``lr``, ``loss``,
    ``grad_norm``, the loss's terms, and, where the validation rows were scored, ``val_srcc`` (median over scenes).

    Attributes
    ----------
    records : list of dict
    out : Path or None
        The run's folder: ``history.jsonl``, ``last/`` (resumable) and, with validation rows, ``best/``.
    scenes : list of str
        Names of the training scenes in the order of their index.
    validated : list of dict
        Those of the records that have a ``val_srcc``.
    """

    records: list[dict] = field(default_factory=list)
    out: Path | None = None
    scenes: list[str] = field(default_factory=list)
    validated: list[dict] = field(default_factory=list)

    @property
    def table(self) -> pd.DataFrame:
        """All records, one a line."""
        return pd.DataFrame(self.records)

    @property
    def best(self) -> dict | None:
        """The first of the records with the highest ``val_srcc``; None without validation."""
        return max(self.validated, key=lambda record: record["val_srcc"], default=None)

    @property
    def checkpoint(self) -> Path | None:
        """Folder of the checkpoint to use: the best one, or without validation the last one."""
        return None if self.out is None else self.out / ("best" if self.validated else "last")

    @property
    def headline(self) -> dict[str, float]:
        """The last loss and the best SRCC so far: what a progress bar has room for."""
        best = {"srcc": self.best["val_srcc"]} if self.best else {}
        return {"loss": self.records[-1]["loss"]} | best

    def stale(self, patience: int) -> bool:
        """Whether the last ``patience`` validations brought nothing better than before (0: never)."""
        if not patience or not self.best:
            return False
        return sum(record["step"] > self.best["step"] for record in self.validated) >= patience

    def add(self, record: dict, write: bool) -> None:
        """Append a record, also to ``history.jsonl`` if this process writes."""
        self._append(record)
        if write and self.out is not None:
            try:
                with (self.out / "history.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
            except OSError as error:
                raise InputError(
                    f"{self.out} cannot be written any more ({error.strerror}): free some space, then resume the run."
                ) from error

    def rewind(self, step: int, write: bool) -> None:
        """Read the file back up to a step; what came later (or was half written) is done again, so it is cut off."""
        path = self.out / "history.jsonl"
        self.records, self.validated = [], []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                break
            if record["step"] > step:
                break
            self._append(record)
        if write:
            new = path.with_suffix(".new")
            new.write_text("".join(json.dumps(record) + "\n" for record in self.records), encoding="utf-8")
            os.replace(new, path)

    def _append(self, record: dict) -> None:
        self.records.append(record)
        if "val_srcc" in record:
            self.validated.append(record)
