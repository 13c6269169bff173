"""The event catalogue: all events that a place may tell, a discriminated union on `type`.

A fact that a source may leave open is null or empty where it has to be named, and may be left out
elsewhere.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from .envelope import Happened, taking_part
from .fields import Charge, Count, Figure, Money, Period, Product, Reference, Text, about, fault
from .places import HUB, Name, Place

Title = Annotated[Text, about("Tên gọi", "what it is called")]
OpenTitle = Annotated[
    Text | None,
    about("Tên gọi; null nếu nguồn không nêu", "what it is called; null if no source says"),
]
Reason = Annotated[Text | None, about("Lý do", "why")]
Results = Annotated[Text | None, about("Kết quả", "what came of it")]
Location = Annotated[Text | None, about("Địa điểm", "where")]


class AgreementSigned(Happened):
    name = Name("Thỏa thuận hợp tác được ký kết", "Agreement signed")
    when = Name("Khi thỏa thuận hợp tác được ký.", "When an agreement of cooperation is signed.")
    thing = "agreement"
    type: Literal["agreement.signed"]
    agreement: Annotated[Reference, about("Mã thỏa thuận", "the agreement's id")]
    title: OpenTitle = None
    period: Annotated[Period | None, about("Giai đoạn hợp tác", "for which period")] = None
    location: Location = None

    @field_validator("partners")
    @classmethod
    def _several(cls, partners: tuple[Place, ...]) -> tuple[Place, ...]:
        if not partners:
            raise fault("an agreement names who signed it", "thỏa thuận phải nêu các bên ký")
        return partners


class _AboutItem(Happened):
    thing = "item"
    item: Annotated[Reference, about("Mã nội dung hợp tác", "the item's id")]


class ItemPlanned(_AboutItem):
    name = Name("Nội dung hợp tác được đưa vào kế hoạch", "Item of cooperation planned")
    when = Name(
        "Khi một nội dung hợp tác chung (vùng) hoặc song phương được thống nhất đưa vào kế hoạch.",
        "When an item, regional or bilateral, is agreed and enters the plan.",
    )
    type: Literal["item.planned"]
    scope: Annotated[
        Literal["regional", "bilateral"],
        about(
            "Nội dung chung của vùng (regional), "
            "hay song phương giữa TP.HCM và một địa phương (bilateral)",
            "of the whole programme (regional), or between the hub and one partner (bilateral)",
        ),
    ]
    title: OpenTitle
    period: Annotated[Period | None, about("Thời gian thực hiện", "for which period")] = None
    in_charge: Annotated[
        tuple[Charge, ...],
        about("Các sở, ngành phụ trách", "the departments in charge", max_length=40),
    ] = ()

    @field_validator("scope")
    @classmethod
    def _fits(cls, scope: str, info: ValidationInfo) -> str:
        places = {*info.data.get("partners", ()), info.data.get("place", HUB)} - {HUB}
        if scope == "bilateral" and len(places) > 1:
            raise fault(
                "a bilateral item is between the hub and one partner",
                "nội dung song phương chỉ giữa TP.HCM và một địa phương",
            )
        return scope

    @field_validator("in_charge")
    @classmethod
    def _known(cls, charges: tuple[Charge, ...], info: ValidationInfo) -> tuple[Charge, ...]:
        taking_part([charge.place for charge in charges], info)
        return charges


class ItemStarted(_AboutItem):
    name = Name("Nội dung hợp tác bắt đầu triển khai", "Item started")
    when = Name("Khi việc triển khai bắt đầu.", "When work on an item begins.")
    type: Literal["item.started"]


class ItemReported(Happened):
    name = Name("Báo cáo tiến độ, kết quả", "Item reported on")
    when = Name(
        "Khi có tiến độ, kết quả của một nội dung; item là null nếu chưa rõ thuộc nội dung nào.",
        "When there is progress or a result to tell; "
        "item is null if it is not known which item it belongs to.",
    )
    thing = "item"
    type: Literal["item.reported"]
    item: Annotated[
        Reference | None,
        about("Mã nội dung hợp tác; null nếu chưa rõ", "the item's id; null if not known"),
    ]
    results: Annotated[Text, about("Tiến độ, kết quả", "the progress, or what came of it")]
    percent: Annotated[
        int | None,
        about("Tỷ lệ hoàn thành (%)", "how much is done, in percent", strict=True, ge=0, le=100),
    ] = None


class ItemCarriedOut(_AboutItem):
    name = Name("Nội dung hợp tác đã thực hiện", "Item carried out")
    when = Name("Khi nội dung đã thực hiện xong.", "When an item has been carried out.")
    type: Literal["item.carried_out"]
    results: Results = None


class ItemPaused(_AboutItem):
    name = Name("Nội dung hợp tác tạm dừng", "Item paused")
    when = Name("Khi việc triển khai tạm dừng.", "When work on an item pauses.")
    type: Literal["item.paused"]
    reason: Reason = None


class ItemEnded(_AboutItem):
    name = Name("Nội dung hợp tác chấm dứt", "Item ended")
    when = Name(
        "Khi nội dung không tiếp tục thực hiện.", "When an item ends without being carried out."
    )
    type: Literal["item.ended"]
    reason: Reason = None


class _AboutObstacle(Happened):
    thing = "obstacle"
    obstacle: Annotated[Reference, about("Mã khó khăn, vướng mắc", "the obstacle's id")]


class ObstacleRaised(_AboutObstacle):
    name = Name("Khó khăn, vướng mắc được phản ánh", "Obstacle raised")
    when = Name(
        "Khi doanh nghiệp hoặc địa phương phản ánh khó khăn, vướng mắc; "
        "đầu mối tại TP.HCM nhận được ngay.",
        "When an enterprise or a place meets an obstacle; the focal point gets it at once.",
    )
    type: Literal["obstacle.raised"]
    title: Title
    due: Annotated[date, about("Hạn xử lý", "the day by which it must be resolved", strict=True)]
    detail: Annotated[Text | None, about("Nội dung chi tiết", "what it is")] = None
    enterprise: Annotated[
        Text | None, about("Doanh nghiệp gặp vướng mắc", "the enterprise that meets it")
    ] = None


class ObstacleTakenUp(_AboutObstacle):
    name = Name("Khó khăn, vướng mắc được tiếp nhận xử lý", "Obstacle taken up")
    when = Name("Khi một cơ quan nhận xử lý.", "When somebody takes it up.")
    type: Literal["obstacle.taken_up"]
    by: Annotated[Charge | None, about("Cơ quan xử lý", "who resolves it")] = None
    due: Annotated[
        date | None, about("Hạn xử lý mới", "a new day by which it must be resolved", strict=True)
    ] = None


class ObstacleResolved(_AboutObstacle):
    name = Name("Khó khăn, vướng mắc đã được tháo gỡ", "Obstacle resolved")
    when = Name("Khi vướng mắc đã được tháo gỡ.", "When it is out of the way.")
    type: Literal["obstacle.resolved"]
    results: Results = None


class _AboutProject(Happened):
    thing = "project"
    project: Annotated[Reference, about("Mã dự án", "the project's id")]


class ProjectAnnounced(_AboutProject):
    name = Name("Dự án kêu gọi đầu tư", "Project calls for investment")
    when = Name(
        "Khi dự án được công bố kêu gọi đầu tư; trung tâm xúc tiến đầu tư nhận được.",
        "When a project calls for investment; the investment promotion centre gets it.",
    )
    type: Literal["project.announced"]
    title: Title
    location: Location = None
    capital: Annotated[Money | None, about("Tổng vốn dự kiến", "the capital it needs")] = None
    url: Annotated[Text | None, about("Địa chỉ hồ sơ dự án", "where its papers are")] = None


class ProjectInvested(_AboutProject):
    name = Name("Dự án đã có nhà đầu tư", "Project invested in")
    when = Name("Khi dự án có nhà đầu tư.", "When an investor is found.")
    type: Literal["project.invested"]
    investor: Annotated[Text | None, about("Nhà đầu tư", "who invests")] = None
    capital: Annotated[Money | None, about("Vốn đầu tư", "how much")] = None


class ProjectPaused(_AboutProject):
    name = Name("Dự án tạm dừng", "Project paused")
    when = Name("Khi dự án tạm dừng.", "When a project is paused.")
    type: Literal["project.paused"]
    reason: Reason = None


class ProjectTerminated(_AboutProject):
    name = Name("Dự án chấm dứt", "Project terminated")
    when = Name("Khi dự án chấm dứt.", "When a project is terminated.")
    type: Literal["project.terminated"]
    reason: Reason = None


class _AboutHappening(Happened):
    thing = "happening"
    happening: Annotated[Reference, about("Mã hoạt động", "the happening's id")]
    kind: Annotated[
        Literal[
            "conference",
            "fair",
            "festival",
            "connection",
            "promotion",
            "training",
            "review",
            "other",
        ],
        about(
            "Loại: hội nghị, hội chợ, lễ hội, kết nối cung cầu, xúc tiến, tập huấn, "
            "sơ kết – tổng kết, khác",
            "conference, fair, festival, connection of supply and demand, promotion, training, "
            "review, other",
        ),
    ]
    title: Title
    location: Location = None


class HappeningAnnounced(_AboutHappening):
    name = Name(
        "Hoạt động thương mại, du lịch được thông báo", "Trade or tourism happening announced"
    )
    when = Name(
        "Khi có kế hoạch tổ chức, để các nơi tham gia.",
        "When it is planned, so that others can take part.",
    )
    type: Literal["happening.announced"]
    period: Annotated[Period | None, about("Thời gian tổ chức", "when it will be")] = None


class HappeningHeld(_AboutHappening):
    name = Name("Hoạt động thương mại, du lịch đã tổ chức", "Trade or tourism happening held")
    when = Name(
        "Khi hoạt động đã diễn ra; chỉ nêu số liệu đã biết.",
        "When it was held; only figures that are known.",
    )
    type: Literal["happening.held"]
    enterprises: Annotated[
        Count | None, about("Số doanh nghiệp tham gia", "enterprises that took part")
    ] = None
    delegates: Annotated[Count | None, about("Số đại biểu", "delegates")] = None
    contracts: Annotated[Count | None, about("Số hợp đồng ký kết", "contracts signed at it")] = None
    memoranda: Annotated[
        Count | None, about("Số biên bản ghi nhớ ký kết", "memoranda signed at it")
    ] = None
    approximate: Annotated[
        tuple[Figure, ...],
        about(
            "Những số liệu chỉ là ước khoảng", "which of the figures are approximate", max_length=6
        ),
    ] = ()
    results: Results = None


class _Signed(Happened):
    thing = "happening"
    title: OpenTitle
    parties: Annotated[tuple[Text, ...], about("Các bên ký", "who signed", max_length=100)] = ()
    value: Annotated[Money | None, about("Giá trị", "its value")] = None
    count: Annotated[
        Count, about("Số lượng, nếu gửi gộp", "how many, if several are told at once", ge=1)
    ] = 1
    happening: Annotated[
        Reference | None,
        about(
            "Mã hoạt động nơi ký; số đã nêu ở hoạt động đó không bị tính hai lần",
            "the happening at which it was signed; "
            "what that happening counted is not counted twice",
        ),
    ] = None


class ContractSigned(_Signed):
    name = Name("Hợp đồng được ký kết", "Contract signed")
    when = Name("Khi hợp đồng được ký.", "When a contract is signed.")
    type: Literal["contract.signed"]


class MemorandumSigned(_Signed):
    name = Name("Biên bản ghi nhớ được ký kết", "Memorandum signed")
    when = Name("Khi biên bản ghi nhớ được ký.", "When a memorandum is signed.")
    type: Literal["memorandum.signed"]


class ProductListed(Happened):
    name = Name(
        "Sản phẩm OCOP được đưa vào hệ thống phân phối, sàn thương mại điện tử",
        "OCOP products listed",
    )
    when = Name(
        "Khi sản phẩm OCOP được đưa vào hệ thống phân phối hoặc sàn thương mại điện tử.",
        "When OCOP products are listed on a distribution system or an e-commerce platform.",
    )
    type: Literal["product.listed"]
    channel: Annotated[
        Literal["distribution-system", "e-commerce-platform"],
        about("Kênh: hệ thống phân phối hoặc sàn thương mại điện tử", "on what kind of channel"),
    ]
    channel_name: Annotated[
        Text | None,
        about("Tên hệ thống, tên sàn; null nếu chưa rõ", "which one; null if not known"),
    ]
    products: Annotated[
        tuple[Product, ...],
        about("Các sản phẩm; [] nếu chưa rõ", "the products; [] if not known", max_length=500),
    ]
    results: Results = None


class ExpertiseTransferred(Happened):
    name = Name("Chuyển giao kỹ thuật, quy trình", "Expertise transferred")
    when = Name(
        "Khi quy trình kỹ thuật, kết quả nghiên cứu được chuyển giao, hướng dẫn.",
        "When technical processes or research results are taught or handed over.",
    )
    type: Literal["expertise.transferred"]
    title: Title
    processes: Annotated[
        Count | None, about("Số quy trình kỹ thuật", "how many technical processes")
    ] = None
    recipient: Annotated[Text | None, about("Đơn vị tiếp nhận", "who learned it")] = None
    results: Results = None


class _Shared(Happened):
    title: Title
    period: Annotated[Period | None, about("Giai đoạn áp dụng", "for which period")] = None
    location: Location = None
    topics: Annotated[
        tuple[Text, ...], about("Các nội dung chính", "what it is about", max_length=100)
    ] = ()
    url: Annotated[Text | None, about("Địa chỉ văn bản", "where the document is")] = None


class PolicyShared(_Shared):
    name = Name("Chia sẻ cơ chế, chính sách", "Policy shared")
    when = Name(
        "Khi chia sẻ cơ chế, chính sách với các địa phương.",
        "When a mechanism or policy is shared.",
    )
    type: Literal["policy.shared"]


class PlanShared(_Shared):
    name = Name("Chia sẻ chương trình, kế hoạch, đề xuất", "Plan shared")
    when = Name(
        "Khi chia sẻ kế hoạch, chương trình, đề xuất.",
        "When a plan, programme or proposal is shared.",
    )
    type: Literal["plan.shared"]
    kind: Annotated[
        Literal["plan", "proposal"],
        about("Kế hoạch (plan) hoặc đề xuất (proposal)", "a plan, or what is asked for"),
    ] = "plan"


class EventAcknowledged(Happened):
    name = Name("Phản hồi của nơi tiếp nhận", "Event acknowledged")
    when = Name(
        "Khi nơi nhận cho biết đã làm gì với một sự kiện đã nhận.",
        "When a receiver tells what it did with an earlier event.",
    )
    thing = "event"
    type: Literal["event.acknowledged"]
    event: Annotated[Reference, about("Mã sự kiện được phản hồi", "the id of the earlier event")]
    action: Annotated[
        Literal["received", "assigned", "acted_upon", "declined"],
        about(
            "Đã tiếp nhận, đã phân công, đã thực hiện, không thực hiện",
            "what was done: received, assigned, acted upon, declined",
        ),
    ]
    results: Results = None


AnyEvent = (
    AgreementSigned
    | ItemPlanned
    | ItemStarted
    | ItemReported
    | ItemCarriedOut
    | ItemPaused
    | ItemEnded
    | ObstacleRaised
    | ObstacleTakenUp
    | ObstacleResolved
    | ProjectAnnounced
    | ProjectInvested
    | ProjectPaused
    | ProjectTerminated
    | HappeningAnnounced
    | HappeningHeld
    | ContractSigned
    | MemorandumSigned
    | ProductListed
    | ExpertiseTransferred
    | PolicyShared
    | PlanShared
    | EventAcknowledged
)
CooperationEvent = Annotated[AnyEvent, Field(discriminator="type")]
