"""The members of every event: whose it is, what happened when, and whom it concerns."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from .fields import Reference, Text, about, fault
from .moment import When
from .places import PLACES, PROGRAMMES, Department, Name, Place, Programme


class Happened(BaseModel):
    """The members of every event, which is about itself unless its type is about a thing."""

    # Built as parts of the catalogue alone: each for itself as well, it would take twice as long to
    # load.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    name: ClassVar[Name]
    when: ClassVar[Name]
    thing: ClassVar[str] = "id"  # the field that names what it is about

    programme: Annotated[Programme, about("Chương trình hợp tác", "the programme")]
    place: Annotated[
        Place, about("Địa phương gửi sự kiện", "the place that tells it: the sender itself")
    ]
    id: Annotated[
        Reference,
        about(
            "Mã sự kiện do địa phương đặt, không đổi và không dùng lại: "
            "mã địa phương, dấu gạch chéo, số hiệu riêng",
            "the place's own id of the event, stable and never used again: "
            "the place's code, a slash, its own number",
        ),
    ]
    department: Annotated[
        Department | None,
        about(
            "Sở, ngành gửi sự kiện; null nếu chưa rõ",
            "the department that tells it; null if not known",
        ),
    ]
    partners: Annotated[
        tuple[Place, ...],
        about(
            "Các địa phương khác có liên quan, là nơi nhận sự kiện; [] nếu chưa rõ",
            "the other places concerned, which get the event; [] if not known",
            max_length=len(Place),
        ),
    ]
    happened: Annotated[
        When | None,
        about(
            "Thời điểm diễn ra (giờ Việt Nam, Asia/Ho_Chi_Minh): "
            "năm, tháng, ngày, hoặc ngày giờ kèm múi giờ; null nếu chưa rõ",
            "when it happened (Asia/Ho_Chi_Minh): "
            "a year, month, day, or time with its zone; null if not known",
        ),
    ]
    field: Annotated[
        Department | None,
        about(
            "Lĩnh vực, gọi theo sở phụ trách; quyết định sở nào của TP.HCM nhận sự kiện",
            "the field, named by the department in charge; "
            "decides which department of the hub gets it",
        ),
    ] = None
    corrects: Annotated[
        Reference | None,
        about(
            "Mã sự kiện trước đây của chính địa phương mà sự kiện này đính chính, thay thế toàn bộ",
            "the id of the place's own earlier event "
            "that this one corrects and replaces as a whole",
        ),
    ] = None
    public: Annotated[
        bool,
        about(
            "Được đăng trên bản tin công khai",
            "whether it goes to the public news feed",
            strict=True,
        ),
    ] = False
    source: Annotated[
        Text | None, about("Nguồn của thông tin", "where the facts are published")
    ] = None
    note: Annotated[Text | None, about("Ghi chú", "a note for readers")] = None

    @property
    def subject(self) -> str:
        """The id of what the event is about: events about the same thing go out in order."""
        return getattr(self, self.thing) or self.id

    @field_validator("place")
    @classmethod
    def _takes_part(cls, place: Place, info: ValidationInfo) -> Place:
        return taking_part([place], info)[0]

    @field_validator("id", "corrects")
    @classmethod
    def _own(cls, value: str | None, info: ValidationInfo) -> str | None:
        place = info.data.get("place")
        if value is not None and place is not None and not value.startswith(f"{place}/"):
            raise fault(
                f"a place numbers its own events: write {place}/ and your number",
                f"mã sự kiện phải bắt đầu bằng mã địa phương: {place}/…",
            )
        if info.field_name == "corrects" and value is not None and value == info.data.get("id"):
            raise fault("an event can't correct itself", "sự kiện không thể đính chính chính nó")
        return value

    @field_validator("partners")
    @classmethod
    def _concerned(cls, partners: tuple[Place, ...], info: ValidationInfo) -> tuple[Place, ...]:
        if info.data.get("place") in partners:
            raise fault("name the other places, not your own", "chỉ nêu các địa phương khác")
        if len(set(partners)) < len(partners):
            raise fault("a place stands in it twice", "một địa phương được nêu hai lần")
        return tuple(taking_part(partners, info))

    @field_validator(
        "agreement", "item", "obstacle", "project", "happening", "event", check_fields=False
    )
    @classmethod
    def _of_the_programme(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            taking_part([Place(value.partition("/")[0])], info)
        return value


def taking_part(places: Sequence[Place], info: ValidationInfo) -> Sequence[Place]:
    """Return the places if the programme knows them all, else raise.

    The message names the place that the programme doesn't know.
    """
    programme = info.data.get("programme")
    known = PROGRAMMES[programme].places if programme is not None else tuple(Place)
    for place in places:
        if place not in known:
            raise fault(
                f"{place} does not take part in {programme}, whose places are {', '.join(known)}",
                f"{PLACES[place].vi} không thuộc chương trình này",
            )
    return places
