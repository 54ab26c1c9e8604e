"""Names as customers of a Chinese retailer have them: Chinese, English, and what people call themselves."""

from random import Random

from contacts.enums import Gender


def _names(text: str) -> list[str]:
    return text.split("/")


FAMILY: tuple[str, ...] = (
    *("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗" * 4),
    *("郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈" * 2),
    *"姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤",
    *("欧阳", "司徒", "上官", "诸葛", "令狐", "皇甫"),
)
"""Chinese family names, the common ones more often."""
FEMALE = _names(
    "婷/静/悦/欣怡/雨桐/梓涵/诗涵/思琪/佳怡/雅婷/晓燕/丽娜/慧敏/梦洁/若曦/语嫣/安然/清妍/"
    "可馨/紫萱/芷若/秀英/玉兰/海燕/春梅/文静/雪莹/一诺/依娜/书瑶/念慈/嘉宁/乐瑶/舒窈/晚晴/"
    "云溪/美玲/宛如/知夏/琳/倩/薇/蕾/璐/颖/敏/洁/瑾"
)
MALE = _names(
    "伟/磊/强/浩然/宇轩/子墨/俊杰/志强/建国/明远/文博/天佑/家豪/思远/一鸣/博文/致远/振华/"
    "国栋/晓东/海涛/立新/向阳/景行/云帆/鹏/涛/斌/凯/杰/昊/睿/毅/航"
)
ENGLISH_FEMALE = _names(
    "Emma/Olivia/Grace/Chloe/Sophie/Isabelle/Hannah/Amélie/Julia/Nora/Beatrice/Zoë/Maria/"
    "Anna/Lucy/Charlotte/Fiona/Ingrid/Priya/Yuki"
)
ENGLISH_MALE = _names(
    "James/Oliver/Daniel/Lucas/Henry/Thomas/Björn/Marco/Ethan/Noah/Felix/Adrian/Samuel/"
    "Kevin/Ryan/Vikram/Kenji/Liam/Oscar/Patrick"
)
ENGLISH_FAMILY = _names(
    "Smith/Taylor/Brown/Wilson/Martin/Anderson/Dubois/Müller/Rossi/O'Neill/Nguyen/Tanaka/"
    "Kim/Johansson/García/Novák/Fischer/Campbell/Hughes/Bennett/Sharma/Lindqvist/MacDonald/"
    "van den Berg/Okafor/Clarke"
)
NICKNAMES = _names(
    "木子李/一颗小太阳☀️/Cici/阿May/小鹿乱撞/橙子妈妈/南风知我意/Coco酱/大白兔🐰/"
    "今天也要加油/豆豆妈/J./十里桃花/Momo/慢慢来/西西里/Luna_/老周/云朵☁️"
)
SHOWCASE = (
    "阿卜杜热合曼·买买提依明·吐尔逊江",
    "🌸小鱼儿🌸",
    "Maximiliane Alexandra Theodora von Hohenberg-Lichtenstein",
    "欧阳慕容雪",
    "D'Angelo <Mimi> & Co.",
)
"""Names that screens must bear: long ones, an emoji, quotes and angle brackets. They come first."""

_ENGLISH, _NICKNAME = 0.10, 0.03


def customer_name(dice: Random, gender: str) -> str:
    """One name in ten is English, a few are what people call themselves in the chat client."""
    kind = dice.random()
    if kind < _NICKNAME:
        return dice.choice(NICKNAMES)
    if kind < _NICKNAME + _ENGLISH:
        given = ENGLISH_MALE if gender == Gender.MALE else ENGLISH_FEMALE
        return f"{dice.choice(given)} {dice.choice(ENGLISH_FAMILY)}"
    return dice.choice(FAMILY) + dice.choice(MALE if gender == Gender.MALE else FEMALE)


def is_english(name: str) -> bool:
    """Whether the name is one of the English ones."""
    return " " in name and name[0].isascii() and name[0].isalpha()


def phone(number: int, name: str) -> str:
    """Return a number of E.164 form that nobody can have; ``number`` makes it unique.

    Chinese: the prefix 154, which no operator was given. English: +44 7700 900xxx, which Ofcom
    keeps for drama, as long as its thousand numbers last.
    """
    if is_english(name) and number < 1000:
        return f"+447700900{number:03d}"
    return f"+86154{number:08d}"
