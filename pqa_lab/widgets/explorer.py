"""The view that the teaching widgets share: controls on the left, what they change on the right.

A session is a plain object without any widget: its attributes are the settings, ``faces()`` gives what to show now (a
Plotly figure or a piece of HTML, by name) and ``static()`` the same for a few settings, for viewers without a kernel.

Measured (plotly 7.1): a ``go.FigureWidget`` sends 5.0 MB to the page for every figure and stores it in the notebook;
JupyterLab's own renderer ignores an update of a figure that it has drawn. So `Face` draws with one copy of plotly.js a
page (1.4 MB, gzipped) and sends only the figure's JSON (10 KB), which Plotly redraws in place.
"""

import gzip
import html
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import anywidget
import ipywidgets
import plotly.graph_objects as go
import traitlets

from pqa_lab.errors import InputError
from pqa_lab.viz import caption


class Session(Protocol):
    """What an explorer needs besides its settings; ``put(name, k, value)`` sets item k of a setting that is a list."""

    def faces(self) -> dict[str, go.Figure | str]: ...

    def static(self) -> Any: ...


@cache
def _plotly_js() -> bytes:
    from plotly.offline import get_plotlyjs

    return gzip.compress(get_plotlyjs().encode(), 6, mtime=0)


class Face(anywidget.AnyWidget):
    """One figure, or one piece of HTML, that is redrawn in place."""

    _esm = Path(__file__).parent / "face.js"
    _css = Path(__file__).parent / "face.css"

    figure = traitlets.Unicode("").tag(sync=True)  # Plotly's JSON; "" shows the HTML
    html = traitlets.Unicode("").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    clicked = traitlets.Dict({}).tag(sync=True)  # from the browser: {"curve", "point", "customdata", "times"}

    def __init__(self, content: go.Figure | str = ""):
        super().__init__()
        self.on_msg(self._on_request)
        self.show(content)

    def _on_request(self, _widget, message: dict[str, Any], _buffers) -> None:
        if message.get("kind") == "plotly":
            self.send({"kind": "plotly"}, [_plotly_js()])

    def show(self, content: go.Figure | str) -> None:
        """Replace what is shown."""
        drawn = isinstance(content, go.Figure)
        with self.hold_sync():
            self.figure = content.to_json() if drawn else ""
            self.html = "" if drawn else content
            self.alt = caption(content) if drawn else ""


class Explorer(ipywidgets.VBox):
    """Controls over a session.

    Parameters
    ----------
    session : Session
    title : str
    controls : mapping of setting -> ipywidgets control
        The key names an attribute of the session, ``("name", 2)`` an item of a list; a `Button`'s key names a method.
    on_click : callable, optional
        Gets the session and what was clicked in a figure (``{"curve", "point", "customdata"}``).

    Attributes
    ----------
    session, controls, faces
    """

    def __init__(
        self,
        session: Session,
        title: str,
        controls: Mapping[str | tuple[str, int], ipywidgets.Widget],
        on_click: Callable[[Any, dict[str, Any]], None] | None = None,
    ):
        self.session, self.controls, self._quiet = session, dict(controls), False
        self.faces: dict[str, Face] = {}
        self.message = ipywidgets.HTML()
        for key, control in self.controls.items():
            control.layout.width = "100%"
            if isinstance(control, ipywidgets.Button):
                control.on_click(lambda _, key=key: self._change(getattr(self.session, key)))
            else:
                control.style.description_width = "38%"
                control.observe(lambda change, key=key: self._set(key, change["new"]), names=["value"])
        left = ipywidgets.VBox(
            list(self.controls.values()), layout=ipywidgets.Layout(flex="1 1 300px", max_width="380px", padding="0 8px")
        )
        for name, content in session.faces().items():
            self.faces[name] = Face(content)
            if on_click:
                self.faces[name].observe(
                    lambda change: self._change(lambda: on_click(self.session, change["new"])), names=["clicked"]
                )
        # min_width="0": a figure may shrink below the width that it was first drawn with
        right = ipywidgets.VBox(
            [self.message, *self.faces.values()], layout=ipywidgets.Layout(flex="3 1 480px", min_width="0")
        )
        head = ipywidgets.HTML(f"<h3 style='margin:0'>{html.escape(title)}</h3>")
        row = ipywidgets.HBox([left, right], layout=ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start"))
        super().__init__([head, row])
        self.add_class("pqa-explorer")

    def static(self) -> Any:
        """A few settings side by side, for viewers without a kernel."""
        return self.session.static()

    def _set(self, key: str | tuple[str, int], value: Any) -> None:
        # The browser answers with the value it was given, rounded to its steps: no change of the reader's.
        if self._quiet or _same(value, self._setting(key)):
            return

        def write() -> None:
            if isinstance(key, tuple):
                self.session.put(*key, value)
            else:
                setattr(self.session, key, value)

        self._change(write)

    def _change(self, act: Callable[[], None]) -> None:
        """Act on the session, then show it; a sentence for the reader instead of an exception that vanishes."""
        try:
            act()
            shown = self.session.faces()
        except InputError as error:
            self.message.value = f"<p role='alert'><b>{html.escape(str(error))}</b></p>"
            return
        self.message.value = ""
        self._follow()
        for name, content in shown.items():
            self.faces[name].show(content)

    def _follow(self) -> None:
        """Bring the controls where the session is, as after a button."""
        self._quiet = True
        try:
            for key, control in self.controls.items():
                if isinstance(control, ipywidgets.Button):
                    continue
                value = self._setting(key)
                if not _same(control.value, value):
                    control.value = value
        finally:
            self._quiet = False

    def _setting(self, key: str | tuple[str, int]) -> Any:
        return getattr(self.session, key[0])[key[1]] if isinstance(key, tuple) else getattr(self.session, key)


def _same(a: Any, b: Any) -> bool:
    numbers = isinstance(a, float) and isinstance(b, int | float)
    return abs(a - b) < 1e-9 if numbers else a == b


def side_by_side(figures: Mapping[str, go.Figure], text: str, **layout: Any) -> go.Figure:
    """Figures with one pair of axes each as the columns of one figure, their labels as titles."""
    from plotly.subplots import make_subplots

    made = make_subplots(1, len(figures), subplot_titles=list(figures), horizontal_spacing=0.25 / len(figures))
    for column, figure in enumerate(figures.values(), start=1):
        for trace in figure.data:
            made.add_trace(trace, 1, column)
            made.data[-1].showlegend = column == 1 and trace.showlegend is not False and len(figure.data) > 1
            made.data[-1].legendgroup = trace.name
        for item in figure.layout.annotations:
            made.add_annotation(item, row=1, col=column)
        for axis, update in (("xaxis", made.update_xaxes), ("yaxis", made.update_yaxes)):
            settings = getattr(figure.layout, axis).to_plotly_json()
            kept = {name: value for name, value in settings.items() if name not in ("anchor", "domain")}
            update(**kept, row=1, col=column)
        if column > 1 and all(isinstance(y, str) for trace in figure.data for y in trace.y):
            made.update_yaxes(showticklabels=False, col=column)  # the names stand at the first one
    template = next(iter(figures.values())).layout.template
    made.update_layout(
        template=template, meta={"text": text}, legend={"orientation": "h", "y": -0.25, "yanchor": "top"}, **layout
    )
    return made
