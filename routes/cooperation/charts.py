"""The charts of the review as SVG, readable in black and white too.

Each has a title that says all that it shows.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

_SIDE, _GAP, _A_ROW = 22, 6, 20  # pixels; squares in a row
_BAR, _LINE = 12, 22


class Room(NamedTuple):
    """Widths in pixels: of a chart of bars, of its labels, of the values at the bars' ends."""

    width: int
    label: int
    end: int


HALF, WHOLE = Room(360, 104, 110), Room(700, 190, 190)


class Bar(NamedTuple):
    """One bar: its label, its length, the text at its end, and whether it asks for attention.

    A length of None is one that is not known.
    """

    label: str
    value: int | None
    said: str
    loud: bool = False


def squares(states: Sequence[tuple[str, str]], title: str) -> Markup:
    """Draw a square for each (state, label).

    Filled if carried out, hatched if under way, marked if it stopped.
    """
    rows = max(-(-len(states) // _A_ROW), 1)
    width = min(len(states), _A_ROW) * (_SIDE + _GAP)
    drawn = [
        _square(n % _A_ROW * (_SIDE + _GAP), n // _A_ROW * (_SIDE + _GAP), state, label)
        for n, (state, label) in enumerate(states)
    ]
    return _svg(max(width, 1), rows * (_SIDE + _GAP), title, drawn)


def bars(found: Sequence[Bar], title: str, room: Room) -> Markup:
    """Draw horizontal bars, all on one scale that begins at zero."""
    most = max((bar.value for bar in found if bar.value), default=0) or 1
    longest = room.width - room.label - room.end
    drawn = []
    for n, bar in enumerate(found):
        y = n * _LINE
        length = 0 if bar.value is None else max(round(bar.value / most * longest), 1)
        drawn.append(
            Markup(
                '<text class="label" x="{}" y="{}" text-anchor="end">{}</text>'
                '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>'
                '<text class="{}" x="{}" y="{}">{}</text>'
            ).format(
                room.label - 8, y + 15, bar.label,
                "loud" if bar.loud else "bar", room.label, y + 5, length, _BAR,
                "dash" if bar.value is None else "value",
                room.label + length + (7 if length else 0), y + 15, bar.said,
            )
        )  # fmt: skip
    height = max(len(found), 1) * _LINE
    axis = Markup('<line class="axis" x1="{0}" y1="1" x2="{0}" y2="{1}"/>').format(
        room.label, height - 1
    )
    return _svg(room.width, height, title, [*drawn, axis])


def _square(x: int, y: int, state: str, label: str) -> Markup:
    box = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="3"/>').format(
        state, x + 1, y + 1, _SIDE - 2, _SIDE - 2
    )
    lines = {
        "carried_out": [(6, 12, 10, 16), (10, 16, 17, 7)],  # a tick
        "started": [(4, 18, 18, 4)],
        "paused": [(9, 6, 9, 16), (14, 6, 14, 16)],
        "ended": [(6, 6, 16, 16), (6, 16, 16, 6)],
    }.get(state, [])
    marks = Markup("").join(
        Markup('<line class="mark-{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            state, x + x1, y + y1, x + x2, y + y2
        )
        for x1, y1, x2, y2 in lines
    )
    return Markup("<g><title>{}</title>{}{}</g>").format(label, box, marks)


def _svg(width: int, height: int, title: str, drawn: Iterable[Markup]) -> Markup:
    return Markup(
        '<svg role="img" viewBox="0 0 {} {}" width="{}" height="{}" xmlns="http://www.w3.org/2000/svg">'
        "<title>{}</title>{}</svg>"
    ).format(width, height, width, height, title, Markup("").join(drawn))
