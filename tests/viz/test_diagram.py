"""Diagrams: what is drawn is what was asked for, arrows touch their boxes, and nothing is too long to read."""

import doctest
import xml.etree.ElementTree as ET

import pytest

import pqa_lab.viz.diagram as module
from pqa_lab.errors import InputError
from pqa_lab.viz.diagram import diagram

SVG = "{http://www.w3.org/2000/svg}"
BOXES = {
    "photo": (0, 0.5, "data", "photo <b> & co\n(3, 112, 112)"),
    "up": (1, 0, "trained", "upper"),
    "low": (1, 1, "frozen", "lower"),
    "far": (2, 0, "answer", "score"),
}


def boxes_of(svg):
    """(left, top, right, bottom) of every box, in order, without the background and the legend's samples."""
    found = []
    for rect in ET.fromstring(svg).iter(f"{SVG}rect"):
        if rect.get("rx") == "6":
            x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + w, y + h))
    return found


def path_of(svg):
    """The corners of the only arrow."""
    (path,) = (p for p in ET.fromstring(svg).iter(f"{SVG}path") if p.get("marker-end"))
    return [tuple(map(float, point.split())) for point in path.get("d")[1:].split("L")]


def words_of(svg):
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


def on_edge(point, box):
    (x, y), (left, top, right, bottom) = point, box
    inside = left <= x <= right and top <= y <= bottom
    return inside and (x in (left, right) or y in (top, bottom))


def test_words_and_legend():
    words = words_of(diagram(BOXES, []))
    assert words[:3] == ["photo <b> & co", "(3, 112, 112)", "upper"]
    assert words[-4:] == ["data", "trained", "not trained", "answer"]  # only the kinds that are drawn


def test_boxes_keep_apart_and_inside():
    svg = diagram(BOXES, [])
    found, (width, height) = boxes_of(svg), map(float, ET.fromstring(svg).get("viewBox").split()[2:])
    assert len(found) == 4
    for k, a in enumerate(found):
        assert 0 < a[0] < a[2] < width
        assert 0 < a[1] < a[3] < height
        assert all(a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1] for b in found[k + 1 :])


@pytest.mark.parametrize(
    ("start", "end", "route"),
    [
        ("photo", "up", ""),
        ("photo", "low", ""),
        ("far", "photo", ""),
        ("up", "low", ""),
        ("low", "up", ""),
        ("low", "far", "hv"),
        ("far", "low", "vh"),
        ("photo", "far", "vh"),
    ],
)
def test_arrow_touches_both_boxes_and_is_rectangular(start, end, route):
    svg = diagram(BOXES, [(start, end, "", route)])
    place = dict(zip(BOXES, boxes_of(svg), strict=True))
    points = path_of(svg)
    assert on_edge(points[0], place[start])
    assert on_edge(points[-1], place[end])
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in zip(points, points[1:], strict=False))


def test_label():
    assert "(7, 7)" in words_of(diagram(BOXES, [("photo", "up", "(7, 7)")]))
    with pytest.raises(InputError, match="between its boxes"):
        diagram(BOXES, [("photo", "up", "much too long")])


def test_mistakes_are_named():
    with pytest.raises(InputError, match="unknown kind 'tainted'"):
        diagram({"a": (0, 0, "tainted", "a")}, [])
    with pytest.raises(InputError, match="'nowhere', which is not drawn"):
        diagram(BOXES, [("photo", "nowhere")])
    with pytest.raises(InputError, match="larger width"):
        diagram({"a": (0, 0, "data", "a title of more than twenty letters")}, [])


def test_docstring_example():
    assert doctest.testmod(module).failed == 0
