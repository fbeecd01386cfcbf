"""Architecture diagrams of the method lessons: boxes on a grid, arrows between them, one visual language.

>>> svg = diagram(
...     {
...         "photo": (0, 0, "data", "photo\\n(3, 112, 112)"),
...         "net": (1, 0, "trained", "backbone\\n0.1 M"),
...         "score": (2, 0, "answer", "score"),
...     },
...     [("photo", "net"), ("net", "score", "mean")],
... )

In a lesson: ``drawing(svg, alt="What goes in, what happens to it, what comes out.")`` as a cell's last expression.
"""

from collections.abc import Mapping, Sequence
from html import escape

from pqa_lab.errors import InputError

# kind -> (fill, border, dashes, what the legend says); border and dashes tell the kinds apart without colour
KINDS = {
    "data": ("#FFFFFF", "#777777", "", "data"),
    "trained": ("#DCEBF7", "#0072B2", "", "trained"),
    "frozen": ("#EEEEEE", "#777777", "2 3", "not trained"),
    "fixed": ("#FFFFFF", "#009E73", "7 4", "fixed operation"),
    "answer": ("#FBE6D4", "#D55E00", "", "answer"),
    "loss": ("#FBE6D4", "#D55E00", "7 4", "loss, in training only"),
}
FONT = "font-family='DejaVu Sans, Verdana, Helvetica, Arial, sans-serif'"
LINE, MARGIN = 16, 12  # pixels


def diagram(
    boxes: Mapping[str, tuple[float, float, str, str]], arrows: Sequence[Sequence[str]], width: int = 132, gap: int = 40
) -> str:
    """The text of an SVG: boxes on a grid, arrows between them, and below them what their colours mean.

    Parameters
    ----------
    boxes : mapping of name -> (column, row, kind, text)
        Column and row from 0, fractions allowed (a box at row 0.5 stands beside two at rows 0 and 1). ``kind`` is a key
        of ``KINDS``. The first line of the text is the title, the others (shape, parameters) are small.
    arrows : sequence of (from, to), (from, to, label) or (from, to, label, route)
        Without a route an arrow runs between columns, or up or down within one. ``"hv"`` leaves sideways and enters
        from above or below; ``"vh"`` the other way round.
    width, gap : int
        Of a box and between two columns, pixels. Labels stand in the gap: about 7 pixels a character.

    Raises
    ------
    InputError : an unknown kind or box, or words that do not fit their box or gap.
    """
    high = LINE * max(len(text.split("\n")) for *_, text in boxes.values()) + 14
    place = {}  # name -> (left, top, right, bottom)
    for name, (column, row, kind, text) in boxes.items():
        if kind not in KINDS:
            raise InputError(f"The box {name!r} is of the unknown kind {kind!r}; take one of {', '.join(KINDS)}.")
        title, *rest = text.split("\n")
        if max(8.2 * len(title), *(6.8 * len(line) for line in [*rest, ""])) > width - 6:
            raise InputError(f"{text!r} does not fit a box of {width} pixels; shorten it or pass a larger width.")
        left, top = MARGIN + column * (width + gap), MARGIN + row * (high + 26)
        place[name] = (left, top, left + width, top + high)
    lines = [_box(place[name], *box[2:]) for name, box in boxes.items()]
    for start, end, *more in arrows:
        if unknown := {start, end} - place.keys():
            raise InputError(f"An arrow names the box {unknown.pop()!r}, which is not drawn.")
        lines.insert(0, _arrow(place[start], place[end], *more))  # below the boxes

    right, bottom = (max(corners[k] for corners in place.values()) + MARGIN for k in (2, 3))
    x = MARGIN
    for kind in [kind for kind in KINDS if any(kind == box[2] for box in boxes.values())]:
        words = KINDS[kind][-1]
        lines.append(f"<rect x='{x:g}' y='{bottom + 6:g}' width='22' height='12' rx='3' {_look(kind)}/>")
        lines.append(f"<text x='{x + 28:g}' y='{bottom + 16:g}' font-size='11' fill='#444'>{words}</text>")
        x += 28 + 7 * len(words) + 22
    right, bottom = max(right, x), bottom + 26
    head = "<marker id='pqa-head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
    size = f"viewBox='0 0 {right:g} {bottom:g}' width='100%'"  # shrinks with a narrow page, never grows
    defs = f"<defs>{head}<path d='M0 0L8 4L0 8z' fill='#444'/></marker></defs>"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} style='max-width:{right:g}px' {FONT}>{defs}"
        f"<rect width='100%' height='100%' fill='white'/>{''.join(lines)}</svg>"
    )


def _look(kind: str) -> str:
    fill, border, dashes, _ = KINDS[kind]
    return f"fill='{fill}' stroke='{border}' stroke-width='1.5'" + (f" stroke-dasharray='{dashes}'" if dashes else "")


def _box(place: tuple[float, float, float, float], kind: str, text: str) -> str:
    left, top, right, bottom = place
    rows, size = text.split("\n"), f"width='{right - left:g}' height='{bottom - top:g}'"
    x, y = (left + right) / 2, (top + bottom) / 2 - LINE * (len(rows) - 1) / 2 + 4
    drawn = f"<rect x='{left:g}' y='{top:g}' {size} rx='6' {_look(kind)}/>"
    for k, row in enumerate(rows):
        font = "font-size='11' fill='#444'" if k else "font-size='13' font-weight='600' fill='#111'"
        drawn += f"<text x='{x:g}' y='{y + LINE * k:g}' text-anchor='middle' {font}>{escape(row)}</text>"
    return drawn


def _arrow(start: tuple[float, ...], end: tuple[float, ...], label: str = "", route: str = "") -> str:
    (sx, sy), (ex, ey) = (((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (start, end))
    side, down = (1 if ex > sx else -1), (1 if ey > sy else -1)  # where the other box lies
    leave_side, enter_side = (start[2], end[0]) if side > 0 else (start[0], end[2])
    leave_down, enter_down = (start[3], end[1]) if down > 0 else (start[1], end[3])
    if route == "hv":
        points, at = [(leave_side, sy), (ex, sy), (ex, enter_down)], ((leave_side + ex) / 2, sy - 5)
    elif route == "vh":
        points, at = [(sx, leave_down), (sx, ey), (enter_side, ey)], ((sx + enter_side) / 2, ey - 5)
    elif start[2] <= end[0] or end[2] <= start[0]:
        turn = enter_side - 20 * side  # in the gap before the other box
        points = [(leave_side, sy), (turn, sy), (turn, ey), (enter_side, ey)]
        at = ((leave_side + enter_side) / 2, sy - 5)
        if len(label) * 6.2 > abs(enter_side - leave_side):
            raise InputError(f"The label {label!r} does not fit between its boxes; shorten it or pass a larger gap.")
    else:
        points, at = [(sx, leave_down), (ex, enter_down)], (sx, (leave_down + enter_down) / 2 + 4)
    line = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
    words = f"<text x='{at[0]:g}' y='{at[1]:g}' text-anchor='middle' font-size='10.5' fill='#444' stroke='white' "
    words += f"stroke-width='4' paint-order='stroke'>{escape(label)}</text>"
    return f"<path d='{line}' fill='none' stroke='#444' marker-end='url(#pqa-head)'/>" + (words if label else "")
