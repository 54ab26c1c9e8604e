"""What guides write down: short notes that fit their kind, in Chinese and in English."""

# ruff: noqa: RUF001 -- Chinese text has Chinese punctuation

from random import Random

from contacts.enums import InteractionKind

_THINGS = (
    *("羊绒大衣", "真丝衬衫", "小黑裙", "阔腿裤", "驼色风衣", "针织开衫", "西装外套", "牛仔外套"),
    *("格纹围巾", "羊毛半裙", "牛津鞋", "托特包", "珍珠耳环", "羽绒服", "法式连衣裙", "运动套装"),
)
_THINGS_EN = (
    *("cashmere coat", "silk blouse", "little black dress", "wide-leg trousers", "camel trench"),
    *("knit cardigan", "wool skirt", "tote bag", "tweed jacket", "down jacket", "pleated dress"),
)
_WHEN = ("周末", "下周三", "月底", "发工资后", "生日前", "双十二前", "出差回来")
_WHEN_EN = (
    "this weekend",
    "next Wednesday",
    "before her birthday",
    "after the trip",
    "in December",
)
_OCCASIONS = ("朋友婚礼", "年会", "面试", "家庭聚会", "拍全家福", "旅行", "毕业典礼")

_NOTES: dict[str, tuple[str, ...]] = {
    InteractionKind.CALL: (
        "电话回访，{thing}穿着满意，说{when}再来看看新款。",
        "告知{thing}已到货，约了{when}到店。",
        "电话未接，已发微信留言。",
        "生日祝福电话，提醒生日券{when}到期。",
        "咨询{thing}能否干洗，已说明保养方法。",
        "来电问会员积分，{when}前可兑换。",
    ),
    InteractionKind.VISIT: (
        "到店买了{thing}，搭配{other}一起带走。",
        "陪闺蜜来逛，试了{thing}，没定下来，{when}再联系。",
        "为{occasion}选衣服，最后要了{thing}。",
        "路过进店，看了新到的{thing}，留意价格。",
        "来取改好的{thing}，很合身。",
        "带孩子一起来，停留约二十分钟，买了{other}。",
    ),
    InteractionKind.CHAT: (
        "微信问{thing}有没有{size}码，答应查其他门店。",
        "发了{thing}的搭配图，她很喜欢，{when}来试。",
        "问快递进度，已发单号。",
        "说{occasion}要穿，推荐了{thing}配{other}。",
        "看了朋友圈新品，让我留一件{thing}。",
        "砍价，解释了会员价，没有再还价。",
        "谢谢推荐，{thing}同事都说好看。",
    ),
    InteractionKind.NOTE: (
        "喜欢素色，不喜欢大 Logo；{thing}穿{size}码。",
        "不吃辣，喝茶，聊天时别提减肥。",
        "{when}有{occasion}，提前一周提醒她看{thing}。",
        "先生身高 182，常替他一起买{other}。",
        "预算一般在两千以内，大促时会多买。",
        "只在工作日中午方便接电话。",
    ),
    InteractionKind.FITTING: (
        "试了三件，{thing}肩线合适，裤长改短两厘米。",
        "{thing}试{size}码正好，颜色想要驼色，已登记调货。",
        "试穿{thing}和{other}，拍了照回去给先生看。",
        "私人搭配预约，按{occasion}准备了五套。",
    ),
    InteractionKind.COMPLAINT: (
        "{thing}洗后起球，已收回送检，{when}前回复。",
        "快递外箱破损，道歉并补发{other}。",
        "觉得等候时间太长，店长致歉并送了咖啡券。",
    ),
}
_NOTES_EN: dict[str, tuple[str, ...]] = {
    InteractionKind.CALL: (
        "Called about the {thing}: happy with it, wants to come back {when}.",
        "Told her the {thing} has arrived; she will pick it up {when}.",
        "No answer, left a message.",
    ),
    InteractionKind.VISIT: (
        "Bought the {thing}; also looked at the {other}.",
        "Came in with her sister, tried the {thing}, will think it over.",
        "Picked up the altered {thing}, fits well.",
    ),
    InteractionKind.CHAT: (
        "Asked for the {thing} in size {size}; promised to check the other stores.",
        "Sent pictures of the {thing}; will come {when}.",
        "Wanted the tracking number, sent it.",
    ),
    InteractionKind.NOTE: (
        "Prefers plain colours, size {size}. Speaks some Chinese.",
        "Travels a lot; best reached by message in the evening.",
    ),
    InteractionKind.FITTING: (
        "Tried the {thing} in {size}; sleeves to be shortened by 2 cm.",
        "Fitting for a wedding: {thing} with the {other}.",
    ),
    InteractionKind.COMPLAINT: (
        "Seam of the {thing} came loose; sent to the workshop, free of charge.",
    ),
}
_KINDS = tuple(_NOTES)
_WEIGHTS = (18, 22, 38, 12, 8, 2)


def something_said(dice: Random, *, english: bool) -> tuple[str, str]:
    """Return the kind of an interaction and what was written down about it."""
    kind = dice.choices(_KINDS, _WEIGHTS)[0]
    things, when = (_THINGS_EN, _WHEN_EN) if english else (_THINGS, _WHEN)
    text = dice.choice((_NOTES_EN if english else _NOTES)[kind])
    thing, other = dice.choice(things), dice.choice(things)
    return kind, text.format(
        thing=thing,
        other=other if other != thing else things[0],
        when=dice.choice(when),
        size=dice.choice(("S", "M", "L", "38", "40")),
        occasion=dice.choice(_OCCASIONS),
    )
