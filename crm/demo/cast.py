"""Who works in the demo company: 3 stores, 12 guides, 3 managers, a marketer, an administrator."""

# ruff: noqa: RUF001 -- Chinese text has Chinese punctuation

from dataclasses import dataclass

from contacts.enums import Role, Scope

LEGAL_NAME = "屿棠服饰（上海）有限公司"
SHORT_NAME = "屿棠 Yutang"

PERSONAS = ("guide", "manager", "marketer", "admin")
"""User names of the one-click log-ins, and of the four accounts that have a password."""


@dataclass(frozen=True)
class Shop:
    """A store with its department; ``wecom_department`` is the department's id in the channel."""

    code: str
    name: str
    city: str
    address: str
    region: str
    wecom_department: int


@dataclass(frozen=True)
class Post:
    """A person at work. ``customers`` is how many they own, ``invited`` how many of these the
    demo campaign reaches."""

    userid: str
    name: str
    shop: str = ""
    role: Role = Role.GUIDE
    username: str = ""
    customers: int = 0
    invited: int = 0

    @property
    def login(self) -> str:
        """The user name."""
        return self.username or self.userid

    @property
    def scope(self) -> Scope:
        """How far the role reaches."""
        return {Role.GUIDE: Scope.OWN, Role.MANAGER: Scope.STORE}.get(self.role, Scope.COMPANY)


SHOPS = (
    Shop("SH01", "上海兴业里店", "上海", "静安区虚构路 88 号一层", "华东大区", 21),
    Shop("HZ01", "杭州湖滨店", "杭州", "上城区样例街 12 号", "华东大区", 22),
    Shop("CD01", "成都太古巷店", "成都", "锦江区示范巷 6 号", "西南大区", 23),
)

HEAD_OFFICE, REGIONS, MARKETING = 1, {"华东大区": 11, "西南大区": 12}, 31

LEAVER = "ShenQing"
"""The guide who leaves: she owns exactly 250 customers, all of them connected in the channel."""

RECEIVERS = ("LinYue", "HeMiao")
"""The colleagues of her store who take them over; the first is the persona ``guide``."""

POSTS = (
    Post("LinYue", "林悦", "SH01", username="guide", customers=620, invited=245),
    Post("HeMiao", "何淼", "SH01", customers=400, invited=75),
    Post("ShenQing", "沈晴", "SH01", customers=250),
    Post("TangYi", "唐奕", "SH01", customers=300, invited=35),
    Post("ZhouXinyi", "周心怡", "HZ01", customers=560, invited=215),
    Post("GraceLiu", "Grace Liu", "HZ01", customers=480, invited=110),
    Post("FangHao", "方昊", "HZ01", customers=350, invited=45),
    Post("XuNian", "许念", "HZ01", customers=230, invited=15),
    Post("DengJia", "邓佳", "CD01", customers=520, invited=140),
    Post("YangRui", "杨睿", "CD01", customers=430, invited=90),
    Post("LuoDan", "罗丹", "CD01", customers=380, invited=60),
    Post("QinShuang", "秦霜", "CD01", customers=280, invited=20),
    Post("HuaWen", "华雯", "SH01", Role.MANAGER, "manager"),
    Post("MaLi", "马力", "HZ01", Role.MANAGER),
    Post("ZhengKe", "郑可", "CD01", Role.MANAGER),
    Post("SuMan", "苏曼", role=Role.MARKETER, username="marketer"),
    Post("GaoYuan", "高远", role=Role.ADMINISTRATOR, username="admin"),
)

IN_POOLS = 200
"""Customers for whom no guide answers yet; with those of the guides they are 5,000."""

TAG_GROUPS: tuple[tuple[str, bool, tuple[str, ...]], ...] = (
    ("会员等级", True, ("钻石会员", "金卡会员", "银卡会员", "新会员")),
    ("偏好", False, ("连衣裙", "大衣", "羊绒", "真丝", "牛仔", "西装", "配饰", "运动休闲")),
    ("尺码", True, ("XS", "S", "M", "L", "XL")),
    ("人生阶段", True, ("学生", "职场新人", "新婚", "孕期", "宝妈宝爸", "退休")),
    ("活动", False, ("秋冬新品预览", "七夕到店", "周年庆", "扫码进店")),
)
"""Groups, whether they are exclusive, and their tags."""

CAMPAIGN_TAG = "秋冬新品预览"
SCAN_TAG = "扫码进店"

OPTED_OUT_INVITED, WITHOUT_ADDRESS_INVITED = 22, 8
"""People who carry the campaign's tag and must be skipped, on top of those it reaches."""


def guides() -> list[Post]:
    """The twelve guides."""
    return [post for post in POSTS if post.role == Role.GUIDE]
