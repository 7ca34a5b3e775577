r"""Answers that are words: yes and no, infinity, no solution, a day, a name, an option's letter, a time of day.

Words compare by meaning where they stand in the table of synonyms and by spelling elsewhere; \text{...}, case and
a leading article do not count.
"""

from __future__ import annotations

import re

from stepward.verifiers.tidy import WHOLE_TEXT, plain_words

SYNONYMS = {
    word: meaning
    for meaning, words in {
        "yes": ("yes", "true", "correct"),
        "no": ("no", "false", "incorrect"),
        "infinity": ("infinity", "+infinity", "positive infinity", r"\infty", r"+\infty", r"+ \infty", "oo", "inf"),
        "minus infinity": ("-infinity", "negative infinity", "minus infinity", r"-\infty", r"- \infty", "-oo", "-inf"),
        "empty set": ("empty set", "the empty set", r"\emptyset", r"\varnothing", r"\{\}", r"\{ \}", "{}", "empty"),
        "no solution": ("no solution", "no solutions", "no real solution", "no real solutions"),
        "undefined": ("undefined", "does not exist", "dne", "not defined"),
        "reals": ("all real numbers", "all reals", "real numbers", r"\mathbb{r}", r"\r", r"(-\infty,\infty)",
                  r"(-\infty, \infty)", r"x \in \mathbb{r}"),
    }.items()
    for word in words
}  # fmt: skip
LETTERS = re.compile(r"[a-z][a-z' -]*[a-z]")
TIME = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?\s?(?:([ap])\.?\s?m)?")
NAMED_FIGURE = re.compile(
    r"^(?:the )?(?:\\(?:triangle|angle|overline|odot|square)|triangle|angle|segment|line|point)\s?\{?\s?(?=[A-Z])"
)
FIGURE = re.compile(r"[A-Z]{1,6}'?")
OPTION = re.compile(r"\(?([A-J])\)?")
OPTION_BEFORE_TEXT = re.compile(r"\(?([A-J])[).:]\s")


def words_agree(gold: str, answer: str) -> bool | None:
    """Whether two tidy texts that are words say the same; None where they are not both words."""
    for rule in (_synonyms, _times, _options, _figures, _spelling):
        verdict = rule(gold, answer)
        if verdict is not None:
            return verdict
    return None


def _synonyms(gold: str, answer: str) -> bool | None:
    gold_words, answer_words = plain_words(gold), plain_words(answer)
    wanted, said = SYNONYMS.get(gold_words), SYNONYMS.get(answer_words)
    if wanted in ("yes", "no") and said is None:
        said = SYNONYMS.get(re.split(r"[\s,.;:]", answer_words, maxsplit=1)[0])
        return wanted == said if said in ("yes", "no") else None
    return wanted == said if wanted and said else None


def _times(gold: str, answer: str) -> bool | None:
    first, second = TIME.fullmatch(plain_words(gold)), TIME.fullmatch(plain_words(answer))
    if first is None or second is None:
        return None
    (*clock, half), (*other_clock, other_half) = first.groups(), second.groups()
    clocks = [[int(part or 0) for part in parts] for parts in (clock, other_clock)]
    return clocks[0] == clocks[1] and (half == other_half or not (half and other_half))


def _options(gold: str, answer: str) -> bool | None:
    gold, answer = (WHOLE_TEXT.sub(r"\1", text).strip(" .") for text in (gold, answer))
    wanted, said = OPTION.fullmatch(gold), OPTION.fullmatch(answer) or OPTION_BEFORE_TEXT.match(answer)
    return wanted.group(1) == said.group(1) if wanted and said else None


def _figures(gold: str, answer: str) -> bool | None:
    if not (NAMED_FIGURE.match(gold) or NAMED_FIGURE.match(answer)):
        return None
    names = [NAMED_FIGURE.sub("", WHOLE_TEXT.sub(r"\1", text).strip()).rstrip("} ") for text in (gold, answer)]
    return names[0] == names[1] if all(FIGURE.fullmatch(name) for name in names) else None


def _spelling(gold: str, answer: str) -> bool | None:
    gold_words, answer_words = (_article_off(plain_words(text)) for text in (gold, answer))
    if gold_words.replace(" ", "") == answer_words.replace(" ", "") and WHOLE_TEXT.search(gold + answer):
        return True
    wrapped = WHOLE_TEXT.fullmatch(gold) is not None
    return False if wrapped and LETTERS.fullmatch(gold_words) and LETTERS.fullmatch(answer_words) else None


def _article_off(words: str) -> str:
    return re.sub(r"^(?:the|an?) (?=\w)", "", words)
