"""A class that votes together: one code, one group of photos, one vote store; the crowd's JODs beside the model's."""

import html
import os
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from answer import Kept

from pqa_lab.errors import InputError
from pqa_lab.report import data_uri
from pqa_lab.scaling.session import PairSession
from pqa_lab.scaling.store import VoteStore

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that is read for something else
CLASS_HOURS = 6
MAX_BYTES = 384 * 2**20
MAX_OBSERVERS = 200
VOTE_SIDE = 1024
ACTIONS = {"first": "A is better", "second": "B is better", "tie": "equal"}


@dataclass
class Room:
    """The photos of a class, best first by the model, and its votes."""

    kept: Kept
    names: list[str]
    store: VoteStore
    owner: str
    born: float = field(default_factory=time.monotonic)
    last: tuple[tuple[int, str], str] = ((-1, ""), "")  # the votes that a result was made of, the result

    def session(self, code: str, observer: str) -> PairSession:
        return PairSession(self.names, self.store, scene=code, observer=observer)


class Classes:
    """Open classes by code, in memory; their votes lie in one SQLite file each under ``folder``."""

    def __init__(self, folder: Path, keep_votes: bool = False):
        self.folder, self.keep_votes = folder, keep_votes
        self._rooms: OrderedDict[str, Room] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, kept: Kept, owner: str) -> str:
        """Start a class with ranked photos; returns its code."""
        code = "".join(secrets.choice(LETTERS) for _ in range(6))
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        names = [Path(photo.path).name for photo in kept.ranking.photos]
        room = Room(kept, names, VoteStore(self.folder / f"{code}.sqlite"), owner)
        with self._lock:
            self._rooms[code] = room
            self._expire()
            while len(self._rooms) > 1 and sum(r.kept.size for r in self._rooms.values()) > MAX_BYTES:
                self._remove(next(iter(self._rooms)))
        return code

    def room(self, code: str) -> Room:
        with self._lock:
            self._expire()
            room = self._rooms.get(code)
        if room is None:
            raise InputError(
                "There is no class with this code (any more): check its six letters, or start a new class."
            )
        return room

    def close(self, owner: str | None) -> None:
        """End the classes that a session has started; their photos and votes go."""
        with self._lock:
            for code in [c for c, room in self._rooms.items() if room.owner == owner]:
                self._remove(code)

    def _expire(self) -> None:
        for code in [c for c, r in self._rooms.items() if time.monotonic() - r.born > 3600 * CLASS_HOURS]:
            self._remove(code)

    def _remove(self, code: str) -> None:
        self._rooms.pop(code, None)
        if self.keep_votes:
            return
        for path in self.folder.glob(f"{code}.sqlite*"):
            path.unlink(missing_ok=True)


def tidy_code(text: str | None) -> str:
    return "".join(c for c in str(text or "").upper() if c in LETTERS)[:6]


def observer_name(text: str | None) -> str:
    return " ".join(str(text or "").split())[:40] or f"voter {secrets.token_hex(3)}"


def join(classes: Classes, code: str, observer: str) -> PairSession:
    room = classes.room(code)
    observers = set(room.store.votes(code).get("observer", pd.Series(dtype=str)))
    if observer not in observers and len(observers) >= MAX_OBSERVERS:
        raise InputError(f"This class is full: {MAX_OBSERVERS} people have voted.")
    return room.session(code, observer)


def booth_value(room: Room, session: PairSession, status: str = "") -> dict[str, Any]:
    """What the voting booth shows: two photos without names, and how far the observer is."""
    pair = session.current
    value = {"turn": "", "done": session.done, "goal": session.goal, "status": status}
    if pair is None:
        return value | {"status": f"{status} That was the last pair: thank you. Open the result below.".strip()}
    left, right = (
        data_uri(room.kept.photo(room.names.index(name)), VOTE_SIDE, 90) for name in (pair.first, pair.second)
    )
    return value | {"turn": pair.turn, "left": left, "right": right}


def answer(room: Room, session: PairSession, action: str, turn: str) -> dict[str, Any]:
    """Take one answer (or undo, or skip) and show what is next."""
    if action == "undo":
        said = "The last vote is taken back." if session.undo() else "There is no vote to take back."
    elif action == "skip":
        said = "Left for later." if session.skip(turn) else ""
    elif action in ACTIONS:
        counted = session.answer(action, turn)
        said = f"Vote {session.done} saved: {ACTIONS[action]}." if counted else "That pair was over: not counted."
    else:
        raise InputError("This is not an answer.")
    return booth_value(room, session, said)


def result_html(room: Room, code: str) -> str:
    """The crowd's JODs with intervals beside the model's, best first by the crowd."""
    votes = room.store.votes(code)
    now = (len(votes), str(votes["answered_at"].max()) if len(votes) else "")
    if room.last[0] != now:  # thirty people look at one result: it is made once a vote
        room.last = (now, _result(room, code, votes))
    return room.last[1]


def _result(room: Room, code: str, votes: pd.DataFrame) -> str:
    voters = votes["observer"].nunique() if len(votes) and "observer" in votes else 0
    told = f'<p class="note" id="tally">{len(votes)} votes by {voters} voter{"" if voters == 1 else "s"}.</p>'
    try:
        scale = room.session(code, "nobody").scale()
    except InputError as error:
        return told + f'<p class="note">No scale yet: {html.escape(str(error))}</p>'
    if scale is None:
        return told + '<p class="note">The scale appears with the first votes.</p>'
    table = scale.table.set_index("image")
    model = {name: photo.score for name, photo in zip(room.names, room.kept.ranking.photos, strict=True)}
    order = sorted(room.names, key=lambda name: -_or(table.jod.get(name), -99))
    reach = max(1.0, *(abs(v) for v in model.values()), *(abs(_or(v, 0)) for v in table.jod)) + 0.5
    rows = []
    for place, name in enumerate(order, 1):
        row = table.loc[name]
        image = data_uri(room.kept.photo(room.names.index(name)), 96)
        interval = f"{row.ci_low:+.2f} … {row.ci_high:+.2f}" if pd.notna(row.ci_low) else "open"
        jod = f"{row.jod:+.2f}" if pd.notna(row.jod) else "–"
        rows.append(
            f'<tr><td>{place}</td><th scope="row"><img src="{image}" alt="" width="48" height="48"> '
            f"{html.escape(name)}</th><td>{jod}</td><td>{interval}</td><td>{model[name]:+.2f}</td>"
            f"<td>{_marks(row, model[name], reach)}</td></tr>"
        )
    both = pd.DataFrame({"crowd": table.jod.reindex(room.names), "model": model}).dropna()
    agree = both.corr("spearman").iloc[0, 1] if len(both) > 2 else float("nan")
    said = f" Rank correlation of crowd and model: {agree:.2f}." if pd.notna(agree) else ""
    heads = ["place", "photo", "crowd (JOD)", "95 % interval", "model (JOD)", "● crowd ◆ model"]
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    return (
        f'{told}<div class="pqa-answer"><div class="pqa-scroll" tabindex="0"><table id="crowd"><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div><p class='note'>1 JOD apart: 75 % prefer the better "
        f"photo.{said}</p></div>"
    )


def _or(value: Any, other: float) -> float:
    return other if value is None or pd.isna(value) else float(value)


def _marks(row: Any, model: float, reach: float) -> str:
    """The row's interval, the crowd's dot and the model's diamond; the numbers beside it say the same."""

    def at(jod: float) -> float:
        return 100 + 95 * max(-1.0, min(1.0, jod / reach))

    x = at(model)
    marks = f'<path d="M{x:.1f} 4 l6 7 l-6 7 l-6 -7 z"/>'
    if pd.notna(row.jod):
        low, high = at(_or(row.ci_low, -reach)), at(_or(row.ci_high, reach))
        marks = (
            f'<line class="crowd" x1="{low:.1f}" x2="{high:.1f}" y1="11" y2="11"/>{marks}'
            f'<circle cx="{at(row.jod):.1f}" cy="11" r="5"/>'
        )
    return (
        '<svg class="pq-scale" viewBox="0 0 200 22" aria-hidden="true"><line x1="100" x2="100" y1="0" y2="22"/>'
        f"{marks}</svg>"
    )


def votes_csv(room: Room, code: str) -> str:
    """The votes table, ready for ``pqa-lab scale``."""
    table = room.store.votes(code)
    for column in ("first", "second", "observer"):
        if column in table:  # a spreadsheet must not read a name as a formula
            table[column] = [f"'{v}" if str(v)[:1] in "=+-@\t\r" else v for v in table[column]]
    return table.to_csv(index=False)


def open_classes(private: Path) -> Classes:
    """Votes lie beside the uploads and are gone with them, unless PQA_LAB_VOTES names a folder to keep them in."""
    kept = os.environ.get("PQA_LAB_VOTES")
    return Classes(Path(kept), keep_votes=True) if kept else Classes(private / "votes")
