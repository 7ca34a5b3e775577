"""One trace before a judge: which critiques are written for it, and which verdict belongs to which step."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from stepward.reward_models.generative.ballots import Ballot
from stepward.reward_models.generative.prompts import Brief, Turn
from stepward.reward_models.generative.reading import Label, Reading, first_error, read_items, read_steps, worth
from stepward.reward_models.generative.record import Phase
from stepward.reward_models.generative.structured import read_json
from stepward.reward_models.generative.writing import Draft, Pen, Verdict, filled_phase


@dataclass(frozen=True, eq=False, kw_only=True)
class Hearing:
    """Hears one trace. Every method gives ballots with one mark per step."""

    brief: Brief
    pen: Pen
    phases: tuple[Phase, ...]
    asked: Sequence[int]

    async def on_trace(self, draws: range) -> list[Ballot]:
        """One critique of the whole trace per vote."""
        turns = self.brief.turns(len(self.brief.steps))
        drafts = await self.pen.drafts(turns, self._phases(len(self.brief.steps)), draws)
        reads = {"choice": self._table, "labels": self._labels, "index": self._index, "json": self._json}
        read = reads[self.brief.format.read]
        heard = await asyncio.gather(*(read(turns, draft) for draft in drafts))
        return [
            self._ballot(dict(enumerate(verdicts)), (draft.text,))
            for verdicts, draft in zip(heard, drafts, strict=True)
        ]

    async def on_steps(self, draws: range) -> list[Ballot]:
        """One critique per vote and step (or prefix), each on its own."""

        async def one(step: int) -> list[tuple[str, Verdict]]:
            turns = self.brief.turns(step + 1)
            drafts = await self.pen.drafts(turns, self._phases(step + 1), draws)
            found = await asyncio.gather(*(self._single(turns, draft, step) for draft in drafts))
            return [(draft.text, verdict) for draft, verdict in zip(drafts, found, strict=True)]

        heard = await asyncio.gather(*(one(step) for step in self.asked))
        return [
            self._ballot(
                {step: votes[at][1] for step, votes in zip(self.asked, heard, strict=True)},
                tuple(votes[at][0] for votes in heard),
            )
            for at in range(len(draws))
        ]

    async def in_dialogue(self, draw: int) -> Ballot:
        """One vote that hears step after step and keeps what it said. After a failure it says no more."""
        form, verdicts, critiques = self.brief.format, dict[int, Verdict](), list[str]()
        turns = self.brief.turns(1)
        for step in range(max(self.asked) + 1):
            (draft,) = await self.pen.drafts(turns, self._phases(step + 1), range(draw, draw + 1))
            verdict = verdicts[step] = await self._single(turns, draft, step)
            critiques.append(draft.text)
            if verdict.worth is None:
                left = Verdict(None, f"the dialogue ended at step {step}: {verdict.note}")
                verdicts |= dict.fromkeys(range(step + 1, len(self.brief.steps)), left)
                break
            if step + 1 < len(self.brief.steps):
                said = draft.text + self.brief.fill(form.closing, step + 1) + verdict.text + form.ending
                turns = (*turns, Turn("assistant", said), Turn("user", self.brief.fill(form.turn, step + 2)))
        return self._ballot(verdicts, tuple(critiques))

    async def _single(self, turns: Sequence[Turn], draft: Draft, step: int) -> Verdict:
        """The one verdict on a step: behind the closing phrase, or the mean over the items of a checklist."""
        if draft.failed:
            return Verdict(None, draft.failed)
        if self.brief.format.read == "choice":
            closing = self.brief.fill(self.brief.format.closing, step + 1)
            return await self.pen.verdict(turns, draft.followed_by(closing))
        reading = read_items(self.brief.format, draft.text)
        items = await self._stated(turns, draft, reading)
        worths = [item.worth for item in items if item.worth is not None]
        if not items or len(worths) < len(items):
            return Verdict(None, next((item.note for item in items if item.worth is None), reading.note + _cut(draft)))
        return Verdict(math.fsum(worths) / len(worths))

    async def _table(self, turns: Sequence[Turn], draft: Draft) -> list[Verdict]:
        """A forced line for each step; each sees the likeliest verdicts of the lines before it.

        Chances are asked for all lines at once, as if the coming verdicts were all like the last one: where they are,
        the text is read once for all of them; from the first that is not, it is asked again.
        """
        if draft.failed:
            return self._none(draft.failed)
        form, verdicts, last = self.brief.format, list[Verdict](), max(self.asked)
        draft = draft.followed_by(self.brief.fill(form.closing, len(self.brief.steps)))
        guess = next(iter(form.verdicts))
        while len(verdicts) <= last:
            ahead = self._lines(draft, range(len(verdicts), last + 1), guess)
            if self.pen.model.chooser is None:
                ahead = ahead[:1]
            found = await asyncio.gather(*(self.pen.verdict(turns, line) for line in ahead))
            for line, verdict in zip(ahead, found, strict=True):
                verdicts.append(verdict)
                draft = line.followed_by(verdict.text)
                if verdict.text != guess:
                    guess = verdict.text or guess
                    break
        return verdicts

    def _lines(self, draft: Draft, steps: range, guess: str) -> list[Draft]:
        """What stands before the verdict on each of `steps`, if every verdict from there on is `guess`."""
        lines = list[Draft]()
        for step in steps:
            draft = draft.followed_by(self.brief.fill(self.brief.format.line, step + 1))
            lines.append(draft)
            draft = draft.followed_by(guess)
        return lines

    async def _labels(self, turns: Sequence[Turn], draft: Draft) -> list[Verdict]:
        if draft.failed:
            return self._none(draft.failed)
        return await self._stated(turns, draft, read_steps(self.brief.format, draft.text, len(self.brief.steps)))

    async def _index(self, turns: Sequence[Turn], draft: Draft) -> list[Verdict]:
        if draft.failed:
            return self._none(draft.failed)
        count = len(self.brief.steps)
        wrong = first_error(draft.text, count, self.brief.format.first_number)
        if wrong is None:
            return self._none("no box names a step, or -1" + _cut(draft))
        return [Verdict(float(step < wrong)) for step in range(count)]

    async def _json(self, turns: Sequence[Turn], draft: Draft) -> list[Verdict]:
        if draft.failed:
            return self._none(draft.failed)
        found = read_json(self.brief.format, draft.text, len(self.brief.steps))
        return [Verdict(value, note + _cut(draft) if note else "") for value, note in found]

    async def _stated(self, turns: Sequence[Turn], draft: Draft, reading: Reading) -> list[Verdict]:
        """What the labels of `reading` are worth, in order, abstentions included."""
        found = iter(await asyncio.gather(*(self._label(turns, draft, each) for each in reading.labels if each)))
        none = Verdict(None, reading.note + _cut(draft))
        return [next(found) if label else none for label in reading.labels]

    async def _label(self, turns: Sequence[Turn], draft: Draft, label: Label) -> Verdict:
        """A verdict that the critique states, read as chances at its place where they are to be had."""
        stated = worth(self.brief.format.verdicts, label.text)
        if stated is None:
            return Verdict(None, f"a garbled verdict: {label.text[:40]!r}")
        if self.pen.model.chooser is None:
            return Verdict(stated)
        return await self.pen.verdict(turns, replace(draft, text=draft.text[: label.at]))

    def _none(self, note: str) -> list[Verdict]:
        return [Verdict(None, note)] * len(self.brief.steps)

    def _phases(self, shown: int) -> list[Phase]:
        return [filled_phase(phase, partial(self.brief.fill, shown=shown)) for phase in self.phases]

    def _ballot(self, verdicts: Mapping[int, Verdict], critiques: tuple[str, ...]) -> Ballot:
        kept = {step: verdicts[step] for step in self.asked}
        marks = tuple(kept[step].worth if step in kept else None for step in range(len(self.brief.steps)))
        notes = tuple(dict.fromkeys(verdict.note for verdict in kept.values() if verdict.worth is None))
        return Ballot(marks=marks, critiques=critiques, notes=notes)


def _cut(draft: Draft) -> str:
    return ", in a critique that was cut at its limit of tokens" if draft.cut else ""
