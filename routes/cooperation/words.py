"""The words of the review page, in Vietnamese and in English."""

from collections.abc import Mapping

from .dates import Language

WORDS: Mapping[str, tuple[str, str]] = {
    # what the page is
    "kind": ("Tổng hợp tình hình thực hiện", "Review of what was done"),
    "period": ("Giai đoạn", "Period"),
    "as_of": ("Số liệu tính đến", "As of"),
    "hub": ("Đầu mối", "Focal point"),
    "partners": ("Các địa phương tham gia", "Partners"),
    "computed": (
        (
            "Hệ thống tự động tính từ các sự kiện mà các địa phương đã gửi; "
            "không thay thế văn bản của cơ quan có thẩm quyền."
        ),
        (
            "Computed from the events that the places have sent; "
            "it does not replace a document of any authority."
        ),
    ),
    "dash": (
        "Dấu “—” nghĩa là chưa có sự kiện nào cho biết, không phải bằng không.",
        (
            "A dash “—” means that no event tells it, not that it is zero. "
            "Titles and results stand as they were sent."
        ),
    ),
    # sections
    "overview": ("Tổng quan", "At a glance"),
    "agreements": ("Thỏa thuận hợp tác", "Agreements"),
    "items": ("Nội dung hợp tác", "Items of cooperation"),
    "figures": ("Số liệu theo địa phương", "Figures by partner"),
    "accounts": ("Kết quả theo địa phương", "Results by partner"),
    "happenings": (
        "Hoạt động thương mại, du lịch và hội nghị",
        "Trade and tourism happenings, conferences",
    ),
    "obstacles": ("Khó khăn, vướng mắc đang xử lý", "Open obstacles"),
    "projects": ("Dự án kêu gọi đầu tư", "Projects that call for investment"),
    "shared": ("Kế hoạch, chính sách và đề xuất", "Plans, policies and proposals"),
    "unanswered": ("Sự kiện chưa có phản hồi", "Events without an answer"),
    "source": ("Căn cứ tính toán", "What this was computed from"),
    # items
    "regional": ("Nội dung vùng", "Regional items"),
    "bilateral": ("Nội dung song phương", "Bilateral items"),
    "scope": ("Loại nội dung", "Kind of item"),
    "planned_n": ("Kế hoạch", "Planned"),
    "carried_out_n": ("Đã thực hiện", "Carried out"),
    "share": ("Tỷ lệ", "Share"),
    "carried_out_of": (
        "đã thực hiện trên {planned} theo kế hoạch",
        "carried out of {planned} planned",
    ),
    "item": ("Nội dung", "Item"),
    "untitled": ("{count} nội dung, nguồn không nêu tên", "{count} not named by any source"),
    "state": ("Tình trạng", "State"),
    "planned": ("Chưa thực hiện", "Planned"),
    "started": ("Đang triển khai", "Under way"),
    "paused": ("Tạm dừng", "Paused"),
    "ended": ("Chấm dứt", "Ended"),
    "carried_out": ("Đã thực hiện", "Carried out"),
    "each_square": ("Mỗi ô là một nội dung.", "Each square is one item."),
    # figures
    "place": ("Địa phương", "Place"),
    "enterprises": ("Doanh nghiệp", "Enterprises"),
    "delegates": ("Đại biểu", "Delegates"),
    "contracts": ("Hợp đồng", "Contracts"),
    "memoranda": ("Biên bản ghi nhớ", "Memoranda"),
    "processes": ("Quy trình kỹ thuật", "Technical processes"),
    "products": ("Sản phẩm OCOP", "OCOP products"),
    "region": ("Toàn vùng", "The whole region"),
    "about": ("khoảng", "about"),
    # obstacles and projects
    "obstacle": ("Khó khăn, vướng mắc", "Obstacle"),
    "raised": ("Ngày phản ánh", "Raised"),
    "due": ("Hạn xử lý", "Due"),
    "age": ("Số ngày đã qua", "Age in days"),
    "overdue": ("quá hạn {days} ngày", "{days} days overdue"),
    "taken_up": ("đã tiếp nhận", "taken up"),
    "not_taken_up": ("chưa tiếp nhận", "not taken up"),
    "resolved_n": ("Đã tháo gỡ trong kỳ: {count}.", "Resolved in the period: {count}."),
    "obstacles_n": ("Khó khăn, vướng mắc", "Obstacles"),
    "projects_n": ("Dự án", "Projects"),
    "none_planned": ("chưa có kế hoạch trong các sự kiện", "none planned in the events"),
    "open_n": ("đang xử lý; đã tháo gỡ {resolved}", "open; {resolved} resolved"),
    "project": ("Dự án", "Project"),
    "announced": ("Đang kêu gọi đầu tư", "Calling for investment"),
    "invested": ("Đã có nhà đầu tư", "Invested in"),
    "paused_n": ("{count} tạm dừng", "{count} paused"),
    "terminated": ("Chấm dứt", "Terminated"),
    # lists
    "when": ("Thời điểm", "When"),
    "unknown": ("chưa rõ", "not known"),
    "happening": ("Hoạt động", "Happening"),
    "where": ("Địa điểm", "Where"),
    "told": ("Số liệu", "Figures"),
    "signed_on": ("Ngày ký", "Signed on"),
    "with": ("Các bên cùng TP.HCM", "With Ho Chi Minh City"),
    "document": ("Văn bản", "Document"),
    "topics": ("Nội dung chính", "Topics"),
    "type": ("Loại sự kiện", "Type"),
    "waiting_for": ("Nơi chưa phản hồi", "No answer from"),
    "event": ("Mã sự kiện", "Event"),
    # what is not there
    "no_agreements": (
        "Chưa tiếp nhận sự kiện nào về ký kết thỏa thuận.",
        "No event tells of an agreement.",
    ),
    "no_items": (
        "Chưa tiếp nhận sự kiện nào về nội dung hợp tác trong kế hoạch.",
        "No event tells of a planned item.",
    ),
    "no_figures": ("Chưa có sự kiện nào nêu số liệu.", "No event gives a figure."),
    "no_accounts": ("Chưa tiếp nhận báo cáo kết quả nào.", "No event tells of a result."),
    "no_happenings": ("Chưa tiếp nhận sự kiện nào về hoạt động.", "No event tells of a happening."),
    "no_obstacles": (
        "Không có khó khăn, vướng mắc nào đang mở trong các sự kiện đã nhận.",
        "No obstacle is open in the events received.",
    ),
    "no_projects": ("Chưa tiếp nhận sự kiện nào về dự án.", "No event tells of a project."),
    "no_shared": ("Chưa tiếp nhận kế hoạch, chính sách nào.", "No plan or policy was shared."),
    "no_unanswered": (
        "Không có sự kiện nào đang chờ phản hồi.",
        "No event is waiting for an answer.",
    ),
    "unanswered_note": (
        "Những sự kiện cần nơi nhận cho biết đã làm gì, nhưng chưa có phản hồi.",
        "These ask their receivers to tell what they did with them; those named have not.",
    ),
    # the source
    "events": ("Sự kiện khác nhau", "Distinct events"),
    "corrections": (
        "Trong đó đính chính (thay thế sự kiện trước)",
        "Corrections among them (each replaces an earlier event)",
    ),
    "duplicates": ("Sự kiện trùng, không tính", "Repeated events, not counted"),
    "undated": (
        "Sự kiện chưa rõ thời điểm, vẫn được tính",
        "Events without a date, counted all the same",
    ),
    "outside": ("Sự kiện ngoài giai đoạn, không tính", "Events outside of the period, not counted"),
    "conflicting": ("Mã sự kiện có nội dung khác nhau", "Ids that came with different contents"),
    "unplanned": (
        "Nội dung có báo cáo nhưng không có trong kế hoạch, không tính",
        "Items that were told of but never planned, not counted",
    ),
    "file": ("Tệp dữ liệu", "File"),
    "digest": ("Mã băm SHA-256", "SHA-256"),
    "rule": (
        (
            "Thứ tự gửi và số lần gửi không làm thay đổi kết quả. "
            "Số liệu của một hoạt động do nhiều nơi báo chỉ tính một lần."
        ),
        (
            "The order in which events were sent, and how often, changes nothing. "
            "What several tell of one happening counts once."
        ),
    ),
}


def word(key: str, language: Language) -> str:
    """Return the words for `key`."""
    vi, en = WORDS[key]
    return vi if language == "vi" else en


def number(count: int, language: Language) -> str:
    """Write a number with its thousands parted: 1.234 in Vietnamese, 1,234 in English."""
    text = f"{count:,}"
    return text.replace(",", ".") if language == "vi" else text
