"""What a marketer types to try several wordings, and to keep a control group."""

from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.forms import BoundField
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.actions.experiments import (
    LONGEST_TEST,
    WHOLE,
    Trial,
    VariantWords,
)
from campaigns.channels import abilities_of, available_channels
from campaigns.enums import WinnerRule
from campaigns.experiments import is_told, split_of, why_not_told
from campaigns.models import Campaign
from campaigns.models.experiments import LETTERS, MOST_CONTROL, MOST_VARIANTS
from campaigns.splitting import Split, split_by
from crm.forms.numbers import WholeNumber
from crm.forms.words import cannot_fill, over_limit

LETTERED = LETTERS.lower()[:MOST_VARIANTS]
OTHERS = LETTERED[1:]
"""The wordings that are typed here: A is the message itself."""

TRIAL_FIELDS = (
    *(f"share_{letter}" for letter in LETTERED),
    *(f"{part}_{letter}" for letter in OTHERS for part in ("subject", "text", "html")),
    "test_share",
    "winner_rule",
    "winner_after_hours",
    "control_share",
)


@dataclass(frozen=True, slots=True)
class WordingInputs:
    """The inputs of one wording; of A only its share is typed here."""

    letter: str
    share: BoundField
    subject: BoundField | None = None
    text: BoundField | None = None
    html: BoundField | None = None

    @property
    def has_any(self) -> bool:
        """Whether something was typed into them, or is wrong with them."""
        parts = (self.share, self.subject, self.text, self.html)
        return any(part.value() or part.errors for part in parts if part is not None)


class TrialForm(forms.Form):
    """Other wordings than the message itself, how the best is found, and who gets nothing."""

    test_share = WholeNumber(
        label=_("Try them first on … per cent"),
        min_value=1,
        max_value=WHOLE - 1,
        required=False,
        help_text=_("Left empty: everybody gets one of the wordings, and there is no winner."),
    )
    winner_rule = forms.ChoiceField(label=_("The rest gets the wording that is"), required=False)
    winner_after_hours = WholeNumber(
        label=_("Decided after … hours"), min_value=1, max_value=LONGEST_TEST, required=False
    )
    control_share = WholeNumber(
        label=_("Control group in per cent"),
        min_value=0,
        max_value=MOST_CONTROL,
        required=False,
        help_text=_("They get nothing, to see what would have happened without the campaign."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for letter in LETTERED:
            self.fields[f"share_{letter}"] = _share(letter.upper())
        for letter in OTHERS:
            self.fields |= _words(letter)
        typed = self.data if self.is_bound else self.initial
        channel = typed.get("channel")
        self.channel = channel if channel in available_channels() else "wecom"
        self.typed_text = typed.get("text") or ""
        """The message, which is wording A."""
        rule = cast("forms.ChoiceField", self.fields["winner_rule"])
        chosen = typed.get("winner_rule")
        offered = [
            (one.value, one.label)
            for one in WinnerRule
            if one == chosen or is_told(one, self.channel)
        ]
        rule.choices = [("", gettext("choose")), *offered]

    @property
    def text_limit(self) -> int:
        """Bytes that a wording may have in the channel."""
        return abilities_of(self.channel).text_bytes

    def wordings(self) -> list[WordingInputs]:
        """Return the inputs, wording by wording."""
        first = WordingInputs("A", self["share_a"])
        others = [
            WordingInputs(
                letter.upper(), *(self[f"{part}_{letter}"] for part in ("share", *_PARTS))
            )
            for letter in OTHERS
        ]
        return [first, *others]

    @property
    def used(self) -> str:
        """The letters of the wordings to compare, once the form is sound; empty without any."""
        others = [letter for letter in OTHERS if self.cleaned_data.get(f"text_{letter}")]
        return "".join(["a", *others]) if others else ""

    def clean(self) -> dict[str, Any]:
        """Refuse what does not go together, at the input where it can be mended."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("winner_rule") == WinnerRule.HAND:  # nobody sees the hours then
            self.errors.pop("winner_after_hours", None)
        for before, letter in zip(LETTERED, OTHERS, strict=False):
            self._clean_wording(before, letter)
        if not self.errors:
            self._clean_shares()
            self._clean_test()
        return cleaned

    def _clean_wording(self, before: str, letter: str) -> None:
        data, name = self.cleaned_data, f"text_{letter}"
        text = (data.get(name) or "").replace("\r\n", "\n")
        data[name] = text
        if not text:
            if data.get(f"share_{letter}"):
                self.add_error(name, gettext("Write this wording, or empty its share."))
            return
        if before != "a" and not data.get(f"text_{before}"):
            words = gettext("Write wording %(before)s before this one.")
            self.add_error(name, words % {"before": before.upper()})
        elif wrong := over_limit(text, self.channel) or cannot_fill(text, self.channel):
            self.add_error(name, wrong)

    def _clean_shares(self) -> None:
        """Take no shares at all for equal ones."""
        used, data = self.used, self.cleaned_data
        names = [f"share_{letter}" for letter in used]
        if not used or not any(data[name] for name in names):
            equal = WHOLE // len(used) if used else 0
            data |= dict.fromkeys(names, equal)
            data["share_a"] = WHOLE - equal * (len(used) - 1) if used else None
            return
        total = sum(data[name] or 0 for name in names)
        missing = next((name for name in names if not data[name]), "")
        if total != WHOLE or missing:
            words = gettext("The shares add up to %(total)s; all together have to make 100.")
            self.add_error(missing or names[0], words % {"total": total})

    def _clean_test(self) -> None:
        data = self.cleaned_data
        rule, share = data["winner_rule"], data["test_share"]
        if not share:
            if rule:
                self.add_error("test_share", gettext("Say on how many it is tried first."))
            data["winner_after_hours"] = None
        elif not self.used:
            self.add_error("test_share", gettext("Write another wording to compare, above."))
        elif not rule:
            self.add_error("winner_rule", gettext("Say how the winner is found."))
        elif rule == WinnerRule.HAND:
            data["winner_after_hours"] = None
        elif not data["winner_after_hours"]:
            self.add_error("winner_after_hours", gettext("Say after how many hours."))
        elif why := why_not_told(rule, self.channel):
            self.add_error("winner_rule", why)

    def split(self, seed: int) -> Split:
        """Return the parts that the recipients fall into; unsound wordings split nobody."""
        is_sound, data = self.is_valid(), self.cleaned_data
        control = data.get("control_share") or 0
        if not is_sound:
            return split_by(seed, control_share=control)
        shares = [data[f"share_{letter}"] for letter in self.used]
        return split_by(seed, control_share=control, shares=shares, test_share=data["test_share"])

    def trial(self, *, text: str, subject: str, html: str) -> Trial:
        """Return how to split the recipients; ``text``, ``subject`` and ``html`` are those of A.

        Without a subject of its own a wording has that of A.
        """
        data, abilities = self.cleaned_data, abilities_of(self.channel)
        variants = []
        for letter in self.used:
            own = letter != "a"
            heading = (data[f"subject_{letter}"] if own else "") or subject
            variants.append(
                VariantWords(
                    share=data[f"share_{letter}"],
                    text=data[f"text_{letter}"] if own else text,
                    subject=heading.strip() if abilities.has_subject else "",
                    html=(data[f"html_{letter}"] if own else html) if abilities.has_html else "",
                )
            )
        return Trial(
            variants=tuple(variants),
            control_share=data["control_share"] or 0,
            test_share=data["test_share"],
            winner_rule=data["winner_rule"],
            winner_after_hours=data["winner_after_hours"],
        )


_PARTS = ("subject", "text", "html")


def _share(letter: str) -> WholeNumber:
    label = gettext("Share of %(letter)s in per cent") % {"letter": letter}
    return WholeNumber(label=label, min_value=1, max_value=99, required=False)


def _words(letter: str) -> dict[str, forms.Field]:
    rows = {"rows": 5}
    return {
        f"subject_{letter}": forms.CharField(
            label=_("Subject"), max_length=200, required=False, help_text=_("Left empty: as of A.")
        ),
        f"text_{letter}": forms.CharField(
            label=gettext("Wording %(letter)s") % {"letter": letter.upper()},
            widget=forms.Textarea(attrs=rows),
            required=False,
        ),
        f"html_{letter}": forms.CharField(
            label=_("HTML version"), widget=forms.Textarea(attrs=rows), required=False
        ),
    }


def trial_of(campaign: Campaign) -> Trial:
    """Return how the recipients of a campaign are split now."""
    split = split_of(campaign)
    words = tuple(VariantWords(**variant) for variant in split.pop("variants", []))
    return Trial(variants=words, **split)


def typed_trial(campaign: Campaign) -> dict[str, list[str]]:
    """Return how a campaign is split as the editor's inputs; the message is wording A."""
    trial = trial_of(campaign)
    typed = {
        "control_share": [str(trial.control_share or "")],
        "test_share": [str(trial.test_share or "")],
        "winner_rule": [trial.winner_rule],
        "winner_after_hours": [str(trial.winner_after_hours or "")],
    }
    for letter, words in zip(LETTERED, trial.variants, strict=False):
        own = "" if letter == "a" else f"_{letter}"
        typed |= {
            f"share_{letter}": [str(words.share)],
            f"text{own}": [words.text],
            f"subject{own}": [words.subject],
            f"html{own}": [words.html],
        }
    return typed


def shown_split(trial: Trial) -> dict[str, Any]:
    """Return how recipients are split, in the words of a page."""
    return {
        "control_share": trial.control_share,
        "test_share": trial.test_share,
        "rule_label": WinnerRule(trial.winner_rule).label if trial.winner_rule else "",
        "hours": trial.winner_after_hours,
        "variants": [
            {"letter": letter, "share": words.share, "subject": words.subject, "text": words.text}
            for letter, words in zip(LETTERS, trial.variants, strict=False)
        ],
    }
