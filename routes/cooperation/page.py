"""The review as one HTML page that holds all it needs: to read on a screen and to print on A4."""

from collections.abc import Container, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from .charts import HALF, WHOLE, Bar, bars, squares
from .dates import Language, day, moment
from .fields import Figure, Period
from .findings import FIGURES, SCOPES, Figures, ItemLine, Review
from .moment import Moment, parse
from .payload import AnyEvent, HappeningHeld
from .places import DEPARTMENTS, HUB, PLACES, PROGRAMMES, Department, Place
from .words import number, word

_TEMPLATE = "review.html.jinja"


class Origin(NamedTuple):
    """The file that a review was computed from."""

    name: str
    sha256: str


def _range(ids: Sequence[str]) -> str:
    """Write many ids in a row by their first and last."""
    return ", ".join(ids) if len(ids) < 3 else f"{ids[0]} … {ids[-1]}"


class _Words:
    """The words and numbers that the template asks for, in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        return word(key, self.language).format(**values)

    def number(self, count: int) -> str:
        return number(count, self.language)

    def moment(self, when: Moment | str | None) -> str:
        if not when:
            return self("unknown")
        return moment(parse(when) if isinstance(when, str) else when, self.language)

    def day(self, one: date | None) -> str:
        return day(one, self.language) if one else "—"

    def place(self, place: Place | None) -> str:
        if place is None:
            return self("region")
        if self.language == "en" and place == HUB:
            return PLACES[place].en
        return PLACES[place].short

    def name_of(self, place: Place) -> str:
        return PLACES[place].vi if self.language == "vi" else PLACES[place].en

    def places(self, places: Iterable[Place]) -> str:
        return ", ".join(self.place(place) for place in places) or "—"

    def field(self, field: Department | None) -> str:
        if field is None:
            return ""
        return DEPARTMENTS[field].short if self.language == "vi" else field.replace("-", " ")

    def period(self, period: Period) -> str:
        first, last = period.first.text, period.last.text
        if len(first) == len(last) == len("2023"):
            return first if first == last else f"{first}–{last}"
        return f"{self.moment(period.first)} – {self.moment(period.last)}"

    def figure(self, figures: Figures, name: Figure) -> str:
        value = figures.values.get(name)
        if value is None:
            return "—"
        return self._about(name, figures.approximate) + self.number(value)

    def _about(self, name: str, approximate: Container[str]) -> str:
        """Return the word that stands before a figure that is about right, else nothing."""
        return f"{self('about')} " if name in approximate else ""

    def percent(self, part: int, whole: int) -> str:
        text = f"{100 * part / whole:.1f}".removesuffix(".0")
        return f"{text.replace('.', ',') if self.language == 'vi' else text}%"

    def figures_of(self, held: HappeningHeld) -> list[str]:
        counts = {
            name: getattr(held, name)
            for name in ("enterprises", "delegates", "contracts", "memoranda")
        }
        return [
            f"{self(name)}: {self._about(name, held.approximate)}{self.number(count)}"
            for name, count in counts.items()
            if count is not None
        ]

    def name(self, event: AnyEvent) -> str:
        return event.name.vi if self.language == "vi" else event.name.en


def render(review: Review, language: Language, origin: Origin) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = _Words(language)
    name = PROGRAMMES[review.programme].name
    title = name.vi if language == "vi" else name.en
    return environment.get_template(_TEMPLATE).render(
        t=words,
        language=language,
        title=title,
        heading=_unbroken(title),
        review=review,
        origin=origin,
        hub=HUB,
        scopes=SCOPES,
        shown=[figure for figure in FIGURES if _known(review, figure)],
        named={
            scope: [line for line in review.items if line.scope == scope and line.title]
            for scope in SCOPES
        },
        unnamed={scope: _unnamed(review, scope) for scope in SCOPES},
        range=_range,
        item_charts={scope: _item_chart(review, scope, words) for scope in SCOPES},
        figure_charts=_figure_charts(review, words),
        obstacle_chart=_obstacle_chart(review, words),
        project_chart=_project_chart(review, words),
    )


def _known(review: Review, name: Figure) -> bool:
    return any(name in figures.values for figures in (*review.figures.values(), review.regional))


def _unbroken(title: str) -> Markup:
    """Keep together what is read together when a title takes several lines."""
    whole = escape(title)
    for part in (
        "kinh tế – xã hội",
        "Thành phố Hồ Chí Minh",
        "Ho Chi Minh City",
        "Duyên hải",
        "Bắc Trung bộ",
        "North Central",
    ):
        whole = whole.replace(part, Markup("<span>{}</span>").format(part))
    return whole


def _unnamed(review: Review, scope: str) -> list[list[ItemLine]]:
    """Group the items without a title that say the same: they stand in one row."""
    groups: dict[tuple[object, ...], list[ItemLine]] = {}
    for line in review.items:
        if line.scope == scope and not line.title:
            groups.setdefault((line.state, line.told, line.partners, line.said), []).append(line)
    return list(groups.values())


def _item_chart(review: Review, scope: str, words: _Words) -> Markup:
    lines = [line for line in review.items if line.scope == scope]
    tally = review.tallies[scope]
    title = f"{words(scope)}: {tally.carried_out} {words('carried_out_of', planned=tally.planned)}"
    # Those carried out first: a share is seen at once.
    lines.sort(key=lambda line: line.state != "carried_out")
    return squares(
        [(line.state, f"{line.title or line.item}: {words(line.state)}") for line in lines], title
    )


def _figure_charts(review: Review, words: _Words) -> list[tuple[str, Markup]]:
    charts = []
    for figure in FIGURES:
        if not _known(review, figure):
            continue
        rows: list[tuple[Place | None, Figures]] = list(review.figures.items())
        if figure in review.regional.values:
            rows.append((None, review.regional))
        found = [
            Bar(words.place(place), figures.values.get(figure), words.figure(figures, figure))
            for place, figures in rows
        ]
        told = "; ".join(f"{bar.label} {bar.said}" for bar in found if bar.value is not None)
        charts.append((words(figure), bars(found, f"{words(figure)}: {told}", HALF)))
    return charts


def _obstacle_chart(review: Review, words: _Words) -> Markup | None:
    found = [
        Bar(
            one.obstacle.partition("/")[2][:24],
            one.age,
            words.number(one.age)
            + (f" ({words('overdue', days=one.overdue)})" if one.overdue else ""),
            loud=one.overdue is not None,
        )
        for one in review.obstacles
        if one.age is not None
    ]
    return bars(found, words("age"), WHOLE) if found else None


def _project_chart(review: Review, words: _Words) -> Markup | None:
    order = ("announced", "invested", "paused", "terminated")
    found = [
        Bar(
            words(state),
            review.states[state],
            words.number(review.states[state]),
            loud=state == "paused",
        )
        for state in order
        if state in review.states
    ]
    return bars(found, words("projects"), WHOLE) if found else None
