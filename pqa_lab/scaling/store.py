"""Votes that survive: one SQLite file, one row a vote, safe under several processes and a kill at any moment.

WAL mode with synchronous=FULL: `add` returns after the commit has been forced to the disk, so a vote whose id has been
seen is never lost; a vote that was cut short is either there or not, never half. Undoing marks the row and keeps it.
A table of plans remembers which pairs each observer is still to see, so that a session resumes where it was and two
observers are not sent to the same pairs. WAL needs a local disk: do not put the file on a network share.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from ..errors import InputError
from .votes import tally_votes

COLUMNS = ["scene", "first", "second", "preferred", "observer", "answered_at"]
ANSWERS = ("first", "second", "tie")
WAIT = 60.0  # seconds to wait for another writer; a commit takes milliseconds

_CROSSED_FORK: list[sqlite3.Connection | None] = []

SCHEMA = """
CREATE TABLE IF NOT EXISTS votes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scene TEXT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL CHECK (first != second),
    preferred TEXT NOT NULL CHECK (preferred IN ('first', 'second', 'tie')),
    observer TEXT, answered_at TEXT, undone_at TEXT);
CREATE INDEX IF NOT EXISTS votes_by_scene ON votes (scene, observer);
CREATE TABLE IF NOT EXISTS plans (
    scene TEXT NOT NULL, observer TEXT NOT NULL, position INTEGER NOT NULL,
    first TEXT NOT NULL, second TEXT NOT NULL, PRIMARY KEY (scene, observer, position));
"""


class VoteStore:
    """The votes of one study in one file. Lesson 15.

    Parameters
    ----------
    path : str or Path
        Made if missing; its folder must exist. Objects over the same path may live in many threads and processes.

    Raises
    ------
    InputError
        If the file cannot be opened or is not a vote store.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._local = threading.local()
        if not self.path.parent.is_dir():
            raise InputError(f"The folder of the vote store, {self.path.parent}, does not exist; make it first.")
        self._connection()

    def _connection(self) -> sqlite3.Connection:
        if getattr(self._local, "pid", None) != os.getpid():
            # A connection that crossed a fork must not be used, not even closed: keep it alive, unused.
            _CROSSED_FORK.append(getattr(self._local, "connection", None))
            self._local.connection = _open(self.path)
            self._local.pid = os.getpid()
        return self._local.connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def add(
        self, scene: str, first: str, second: str, preferred: str, observer: str | None = None, turn: int | None = None
    ) -> int | None:
        """Store one vote and cross the pair off the observer's plan; on return it is on the disk.

        Parameters
        ----------
        preferred : {"first", "second", "tie"}
        turn : int, optional
            What `turn` said when the pair was shown.

        Returns
        -------
        int or None
            The id of the vote, increasing over all observers; None, and nothing stored, if the turn is over.
        """
        if preferred not in ANSWERS:
            raise InputError(f'An answer is "first", "second" or "tie", not {preferred!r}.')
        if first == second:
            raise InputError(f"{first!r} is compared with itself; a vote needs two different images.")
        with self._writing() as connection:
            if turn is not None and turn != self.turn(scene, observer):
                return None
            cursor = connection.execute(
                "INSERT INTO votes (scene, first, second, preferred, observer, answered_at) VALUES (?, ?, ?, ?, ?, ?)",
                (str(scene), str(first), str(second), preferred, observer, _now()),
            )
            connection.execute(
                "DELETE FROM plans WHERE scene = ? AND observer = ? AND first = ? AND second = ?",
                (str(scene), observer, str(first), str(second)),
            )
        return cursor.lastrowid

    def undo(self, scene: str, observer: str) -> tuple[str, str] | None:
        """Take back the observer's last standing vote in the scene: it stays in the file with the time of the undo.

        Returns
        -------
        tuple or None
            The pair (first, second), now at the front of the observer's plan; None if there is nothing to take back.
        """
        with self._writing() as connection:
            last = connection.execute(
                "SELECT id, first, second FROM votes WHERE scene = ? AND observer = ? AND undone_at IS NULL "
                "ORDER BY id DESC LIMIT 1",
                (scene, observer),
            ).fetchone()
            if last is None:
                return None
            connection.execute("UPDATE votes SET undone_at = ? WHERE id = ?", (_now(), last[0]))
            front = connection.execute(
                "SELECT COALESCE(MIN(position), 0) - 1 FROM plans WHERE scene = ? AND observer = ?", (scene, observer)
            ).fetchone()[0]
            connection.execute("INSERT INTO plans VALUES (?, ?, ?, ?, ?)", (scene, observer, front, last[1], last[2]))
        return last[1], last[2]

    def votes(self, scene: str | None = None, *, observer: str | None = None, undone: bool = False) -> pd.DataFrame:
        """The votes table in the order of arrival; without the column `observer` if nobody gave a name.

        Parameters
        ----------
        scene, observer : str, optional
            Only theirs.
        undone : bool
            Also the votes that were taken back, and the columns `id` and `undone_at`.
        """
        columns = ["id", *COLUMNS, "undone_at"] if undone else COLUMNS
        query = (
            f"SELECT {', '.join(columns)} FROM votes WHERE (?1 IS NULL OR scene = ?1) AND (?2 IS NULL OR observer = ?2)"
        )
        if not undone:
            query += " AND undone_at IS NULL"
        rows = self._connection().execute(query + " ORDER BY id", (scene, observer)).fetchall()
        table = pd.DataFrame(rows, columns=columns)
        for column in set(columns) & {"answered_at", "undone_at"}:
            table[column] = pd.to_datetime(table[column], utc=True, format="ISO8601")
        anonymous = len(table) and table["observer"].isna().all()
        return table.drop(columns="observer") if anonymous else table

    def count(self, scene: str, observer: str) -> int:
        """Standing votes of one observer in a scene."""
        query = "SELECT COUNT(*) FROM votes WHERE scene = ? AND observer = ? AND undone_at IS NULL"
        return self._connection().execute(query, (scene, observer)).fetchone()[0]

    def turn(self, scene: str, observer: str) -> int:
        """How often the observer has voted or taken back a vote in a scene: it only grows."""
        query = "SELECT COUNT(*) + COUNT(undone_at) FROM votes WHERE scene = ? AND observer = ?"
        return self._connection().execute(query, (scene, observer)).fetchone()[0]

    def __len__(self) -> int:
        return self._connection().execute("SELECT COUNT(*) FROM votes WHERE undone_at IS NULL").fetchone()[0]

    def add_votes(self, table: pd.DataFrame) -> int:
        """Take in a votes table, all of it or nothing; rows that the store already holds are passed over.

        Returns
        -------
        int
            How many votes were new. Only rows with `answered_at` can be recognised as already there.
        """
        rows = _rows(table)
        insert = (
            "INSERT INTO votes (scene, first, second, preferred, observer, answered_at) SELECT ?1, ?2, ?3, ?4, ?5, ?6 "
            "WHERE ?6 IS NULL OR NOT EXISTS (SELECT 1 FROM votes WHERE scene = ?1 AND observer IS ?5 "
            "AND answered_at = ?6 AND first = ?2 AND second = ?3)"
        )
        with self._writing() as connection:
            return sum(connection.execute(insert, row).rowcount for row in rows)

    def export(self, path: str | Path, scene: str | None = None) -> Path:
        """Write the standing votes as .csv or .parquet, through a temporary file."""
        path = Path(path)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        table = self.votes(scene)
        try:
            if path.suffix == ".csv":
                table["answered_at"] = table["answered_at"].map(lambda when: when.isoformat(), na_action="ignore")
                table.to_csv(part, index=False, encoding="utf-8")
            elif path.suffix == ".parquet":
                table.to_parquet(part, index=False)
            else:
                raise InputError(f"Votes are written as .csv or .parquet, not as {path.suffix or path.name!r}.")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def load(self, path: str | Path) -> int:
        """Take in a .csv or .parquet file of votes; see `add_votes`."""
        return self.add_votes(_read(Path(path)))

    # Plans: which pairs an observer is still to see, front first.

    def set_plan(self, scene: str, observer: str, pairs: list[tuple[str, str]]) -> None:
        """Replace what the observer is still to see."""
        with self._writing() as connection:
            connection.execute("DELETE FROM plans WHERE scene = ? AND observer = ?", (scene, observer))
            rows = [(scene, observer, position, first, second) for position, (first, second) in enumerate(pairs)]
            connection.executemany("INSERT INTO plans VALUES (?, ?, ?, ?, ?)", rows)

    def plan(self, scene: str, observer: str) -> list[tuple[str, str]]:
        """What the observer is still to see."""
        query = "SELECT first, second FROM plans WHERE scene = ? AND observer = ? ORDER BY position"
        return self._connection().execute(query, (scene, observer)).fetchall()

    def plans_of_others(self, scene: str, observer: str) -> list[tuple[str, str]]:
        """Pairs that are on other observers' plans."""
        query = "SELECT first, second FROM plans WHERE scene = ? AND observer != ?"
        return self._connection().execute(query, (scene, observer)).fetchall()


def _read(path: Path) -> pd.DataFrame:
    """Names stay text, so that images called 007 and NA remain what they are."""
    if not path.is_file():
        raise InputError(f"There is no votes file {path}.")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix == ".csv":
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except Exception as error:  # pandas and pyarrow raise many kinds for a damaged file
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path.name} cannot be read as votes: {why}.") from error
    raise InputError(f"Votes are read from .csv or .parquet, not from {path.suffix or path.name!r}.")


def _rows(table: pd.DataFrame) -> list[tuple]:
    """The columns of the store, or a sentence on the first thing that is not a vote."""
    if {"winner", "loser"} <= set(table) and "preferred" not in table:
        table = table.rename(columns={"winner": "first", "loser": "second"}).assign(preferred="first")
    # An empty cell of a text file is no name.
    table = table.replace("", None).dropna(axis="columns", how="all")
    table = table.astype({name: object for name in ("first", "second") if name in table})
    tally_votes(table, duplicates="keep")
    when = table.get("answered_at", pd.Series(None, index=table.index, dtype=object))
    times = pd.to_datetime(when, utc=True, errors="coerce", format="ISO8601")
    if (times.isna() & when.notna()).any():
        raise InputError(f"A vote was answered at {when[times.isna() & when.notna()].iloc[0]!r}, which is no ISO time.")
    scenes = table["scene"].astype(str) if "scene" in table else ["all"] * len(table)
    observers = table["observer"].astype(str) if "observer" in table else [None] * len(table)
    texts = [None if pd.isna(time) else _text(time) for time in times]
    names = table["first"].astype(str), table["second"].astype(str)
    return list(zip(scenes, *names, table["preferred"], observers, texts, strict=True))


def _open(path: Path) -> sqlite3.Connection:
    deadline = time.monotonic() + WAIT
    while True:
        try:
            connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
            connection.execute("PRAGMA synchronous = FULL")
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            return connection
        except sqlite3.OperationalError as error:
            # Turning a new file to WAL does not wait its turn when several processes do it at once.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise InputError(f"The vote store {path} cannot be opened: {error}.") from error
            time.sleep(0.02)
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path} is not a vote store: {error}.") from error


def _text(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds")


def _now() -> str:
    return _text(datetime.now(UTC))
