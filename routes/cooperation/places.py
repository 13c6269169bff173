"""The closed lists of places, departments and programmes that take part, with their names.

The names are those of the programmes' time, 2023 to 2025.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from enum import StrEnum

# Without daylight saving, so that no database of zones is needed.
ZONE = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")


@dataclass(frozen=True, slots=True)
class Name:
    """A name in Vietnamese and in English.

    `short` is the Vietnamese name for tables.
    """

    vi: str
    en: str
    short: str = ""


class Place(StrEnum):
    """The hub and its fifteen partners."""

    HO_CHI_MINH_CITY = "ho-chi-minh-city"
    QUANG_NGAI = "quang-ngai"
    BINH_DINH = "binh-dinh"
    PHU_YEN = "phu-yen"
    KHANH_HOA = "khanh-hoa"
    NINH_THUAN = "ninh-thuan"
    BINH_THUAN = "binh-thuan"
    NGHE_AN = "nghe-an"
    THANH_HOA = "thanh-hoa"
    HA_TINH = "ha-tinh"
    QUANG_TRI = "quang-tri"
    QUANG_BINH = "quang-binh"
    THUA_THIEN_HUE = "thua-thien-hue"
    HA_NAM = "ha-nam"
    CAO_BANG = "cao-bang"
    BAC_KAN = "bac-kan"


HUB = Place.HO_CHI_MINH_CITY

PLACES: Mapping[Place, Name] = {
    Place.HO_CHI_MINH_CITY: Name("Thành phố Hồ Chí Minh", "Ho Chi Minh City", "TP.HCM"),
    Place.QUANG_NGAI: Name("Tỉnh Quảng Ngãi", "Quảng Ngãi province", "Quảng Ngãi"),
    Place.BINH_DINH: Name("Tỉnh Bình Định", "Bình Định province", "Bình Định"),
    Place.PHU_YEN: Name("Tỉnh Phú Yên", "Phú Yên province", "Phú Yên"),
    Place.KHANH_HOA: Name("Tỉnh Khánh Hòa", "Khánh Hòa province", "Khánh Hòa"),
    Place.NINH_THUAN: Name("Tỉnh Ninh Thuận", "Ninh Thuận province", "Ninh Thuận"),
    Place.BINH_THUAN: Name("Tỉnh Bình Thuận", "Bình Thuận province", "Bình Thuận"),
    Place.NGHE_AN: Name("Tỉnh Nghệ An", "Nghệ An province", "Nghệ An"),
    Place.THANH_HOA: Name("Tỉnh Thanh Hóa", "Thanh Hóa province", "Thanh Hóa"),
    Place.HA_TINH: Name("Tỉnh Hà Tĩnh", "Hà Tĩnh province", "Hà Tĩnh"),
    Place.QUANG_TRI: Name("Tỉnh Quảng Trị", "Quảng Trị province", "Quảng Trị"),
    Place.QUANG_BINH: Name("Tỉnh Quảng Bình", "Quảng Bình province", "Quảng Bình"),
    Place.THUA_THIEN_HUE: Name("Tỉnh Thừa Thiên Huế", "Thừa Thiên Huế province", "Thừa Thiên Huế"),
    Place.HA_NAM: Name("Tỉnh Hà Nam", "Hà Nam province", "Hà Nam"),
    Place.CAO_BANG: Name("Tỉnh Cao Bằng", "Cao Bằng province", "Cao Bằng"),
    Place.BAC_KAN: Name("Tỉnh Bắc Kạn", "Bắc Kạn province", "Bắc Kạn"),
}


class Department(StrEnum):
    """The departments that act within each place.

    A field is named by the department in charge of it.
    """

    PLANNING_AND_INVESTMENT = "planning-and-investment"
    INDUSTRY_AND_TRADE = "industry-and-trade"
    TOURISM = "tourism"
    AGRICULTURE = "agriculture"
    SCIENCE_AND_TECHNOLOGY = "science-and-technology"
    CULTURE = "culture"
    HEALTH = "health"
    EDUCATION_AND_TRAINING = "education-and-training"
    INFORMATION_AND_COMMUNICATIONS = "information-and-communications"


DEPARTMENTS: Mapping[Department, Name] = {
    Department.PLANNING_AND_INVESTMENT: Name(
        "Sở Kế hoạch và Đầu tư", "Department of Planning and Investment", "Kế hoạch và đầu tư"
    ),
    Department.INDUSTRY_AND_TRADE: Name(
        "Sở Công Thương", "Department of Industry and Trade", "Công thương"
    ),
    Department.TOURISM: Name("Sở Du lịch", "Department of Tourism", "Du lịch"),
    Department.AGRICULTURE: Name(
        "Sở Nông nghiệp và Phát triển nông thôn",
        "Department of Agriculture and Rural Development",
        "Nông nghiệp",
    ),
    Department.SCIENCE_AND_TECHNOLOGY: Name(
        "Sở Khoa học và Công nghệ", "Department of Science and Technology", "Khoa học và công nghệ"
    ),
    Department.CULTURE: Name(
        "Sở Văn hóa và Thể thao", "Department of Culture and Sports", "Văn hóa"
    ),
    Department.HEALTH: Name("Sở Y tế", "Department of Health", "Y tế"),
    Department.EDUCATION_AND_TRAINING: Name(
        "Sở Giáo dục và Đào tạo", "Department of Education and Training", "Giáo dục và đào tạo"
    ),
    Department.INFORMATION_AND_COMMUNICATIONS: Name(
        "Sở Thông tin và Truyền thông",
        "Department of Information and Communications",
        "Thông tin và truyền thông",
    ),
}


class Programme(StrEnum):
    """The programmes that the hub runs with its partners."""

    SOUTH_CENTRAL_COAST = "south-central-coast"
    NORTH_AND_NORTH_CENTRAL = "north-and-north-central"


@dataclass(frozen=True, slots=True)
class Agreed:
    """A programme's name, its first and last year, and its partners."""

    name: Name
    years: tuple[int, int]
    partners: tuple[Place, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """The hub, then the partners."""
        return (HUB, *self.partners)


PROGRAMMES: Mapping[Programme, Agreed] = {
    Programme.SOUTH_CENTRAL_COAST: Agreed(
        Name(
            "Chương trình hợp tác phát triển kinh tế – xã hội giữa Thành phố Hồ Chí Minh "
            "và các tỉnh Duyên hải Trung bộ",
            "Socio-economic cooperation programme of Ho Chi Minh City "
            "and the South Central Coast provinces",
            "TP.HCM – Duyên hải Trung bộ",
        ),
        (2023, 2025),
        (
            Place.QUANG_NGAI,
            Place.BINH_DINH,
            Place.PHU_YEN,
            Place.KHANH_HOA,
            Place.NINH_THUAN,
            Place.BINH_THUAN,
        ),
    ),
    Programme.NORTH_AND_NORTH_CENTRAL: Agreed(
        Name(
            "Chương trình hợp tác phát triển kinh tế – xã hội giữa Thành phố Hồ Chí Minh "
            "và các tỉnh phía Bắc, Bắc Trung bộ",
            "Socio-economic cooperation programme of Ho Chi Minh City "
            "and the North and North Central provinces",
            "TP.HCM – phía Bắc, Bắc Trung bộ",
        ),
        (2023, 2025),
        (
            Place.NGHE_AN,
            Place.THANH_HOA,
            Place.HA_TINH,
            Place.QUANG_TRI,
            Place.QUANG_BINH,
            Place.THUA_THIEN_HUE,
            Place.HA_NAM,
            Place.CAO_BANG,
            Place.BAC_KAN,
        ),
    ),
}
