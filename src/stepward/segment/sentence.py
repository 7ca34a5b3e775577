r"""A step is a sentence. For medical, general and agent prose; maths only where a step is one claim.

A stop ends a sentence where whitespace follows and then no lower-case letter. Not a stop: the point of an
abbreviation (Dr. e.g. Fig. মো. डॉ.), of an initial (J. Smith), of a list number at the start of a line (2. Add).
Decimals, URLs and x_1.y have no whitespace behind the point. Runs such as "?!" and "..." are one stop; closing
quotes and brackets belong to it. The danda, the double danda and the CJK, Arabic and Ethiopic stops need no
whitespace. A blank line ends a sentence as well, a single line end does not.

No cut falls inside LaTeX, code, tables or JSON (`protected`). Each decision reads the text before it and one
character behind it. Degenerate cases: a capital that is an answer ("It is B. So") ends its sentence, a capital
after another name ("George W. Bush") does not; a sentence that begins in lower case joins the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stepward.segment.protected import outside, protected_spans
from stepward.segment.spans import partition, tag_of
from stepward.types import Step

ALWAYS = """Adm Capt Col Dr Gen Gov Hon Lt Messrs Mr Mrs Ms Mt Prof Rep Rev Sen Sgt St Approx approx ca cf viz vs
ডা ড মো মোছা মি অধ্যা ইঞ্জি डॉ डा श्री प्रो पं सं कृ"""
BEFORE_NUMBER = """Art art Ch ch Chap chap Cor cor Def def Eq eq Eqs eqs Eqn eqn Ex ex Fig fig Figs figs Lem lem No Nos
Nr Op p pp Para para Prop prop Sec sec Sect sect Thm thm Vol vol Vols vols"""

CLOSERS = r"""["'”’»)\]}*_`$」』）】》〉]*+"""
WIDE = "।॥۔؟።。！？｡"
WINDOW = 32
"""Characters before a point in which its word is looked for."""
CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
STOP = re.compile(
    rf"(?:[{WIDE}]|(?<=[{CJK}])[!?])[{WIDE}.!?…]*+{CLOSERS}\s*+"
    rf"|(?P<latin>(?<![.!?…])[.!?…]++){CLOSERS}(?P<space>\s++)"
    r"|\n\s*\n"
)
WORD = re.compile(r"[^\s(\[{\"'“‘«—–]*\Z")
DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
LIST_NUMBER = re.compile(r"[\s\-*#>(]*(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})")
LABELS = frozenset(["answer", "case", "choice", "class", "group", "item", "option", "part", "point", "set", "type"])
"""Capitalized words before a capital that is a label, not the initial of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """Cuts after each sentence and each blank line."""

    abbreviations: tuple[str, ...] = tuple(ALWAYS.split())
    """Words, without their point, whose point does not end a sentence. Those that end one as often (etc., Inc.,
    a.m.) are left out; those with inner points (e.g., i.e., U.S.) need not be named."""
    numbered: tuple[str, ...] = tuple(BEFORE_NUMBER.split())
    """The same, where a digit, a bracket or a dollar sign follows: "Fig. 3", but "It is no. 3 ..." ends."""

    @property
    def tag(self) -> str:
        """Name, version and the abbreviations if they are not the default."""
        return tag_of(self, "sentences@1")

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """None: a point ends a sentence or not."""
        return ()

    def segment(self, text: str) -> tuple[Step, ...]:
        """Spans that partition `text`."""
        return partition(text, self._cuts(text))

    def _cuts(self, text: str) -> Iterator[int]:
        stops = {stop.end(): stop for stop in STOP.finditer(text)}
        start = 0
        for cut in outside(stops, protected_spans(text)):
            if self._ends_sentence(text, start, stops[cut]):
                start = cut
                yield start

    def _ends_sentence(self, text: str, start: int, stop: re.Match[str]) -> bool:
        if stop["latin"] is None or stop["space"].count("\n") > 1:
            return True
        follows = text[stop.end() : stop.end() + 1]
        if follows.islower() or follows in (",", ";", ":"):
            return False
        if stop["latin"] != ".":
            return True
        before = text[max(start, stop.start() - WINDOW) : stop.start()]
        word = _last_word(before)
        if word in self.abbreviations or (word in self.numbered and (follows.isdigit() or follows in ("(", "$"))):
            return False
        return not (_is_list_number(before) or _is_acronym(word) or _is_initial(before, word))


def _last_word(before: str) -> str:
    found = WORD.search(before)
    return found[0] if found else ""


def _is_list_number(before: str) -> bool:
    line = before.rpartition("\n")[2]
    return len(line) < WINDOW and LIST_NUMBER.fullmatch(line) is not None


def _is_acronym(word: str) -> bool:
    return DOTTED.fullmatch(word) is not None and word.lower() not in ("a.m", "p.m")


def _is_initial(before: str, word: str) -> bool:
    """Whether `word`, the last of `before`, is the capital in "J. Smith" or "George W. Bush"."""
    if len(word) != 1 or not word.isupper():
        return False
    words = before[:-1].split()
    last = words[-1] if words else ""
    return last.endswith(".") or (len(last) > 1 and last[0].isupper() and last.lower() not in LABELS)
