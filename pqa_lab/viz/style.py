"""Colours that people with any colour vision tell apart, each with a symbol or dash that says the same without them.

The palette is Okabe and Ito's, its yellow darkened so that it is seen on white.
"""

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A600")
SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star", "hexagon")
TEMPLATE = "plotly_white"


def marker(index: int, **more: object) -> dict[str, object]:
    """Marker of the series number ``index``: colour and symbol repeat with different periods. ``more`` joins it."""
    # 8 colours; the symbol moves on by one more in each round, so 64 series differ
    turn, place = divmod(index, len(OKABE_ITO))
    return {"color": OKABE_ITO[place], "symbol": SYMBOLS[(place + turn) % len(SYMBOLS)]} | more
