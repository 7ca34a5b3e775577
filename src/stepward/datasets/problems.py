"""Problems with gold answers in the forms of SVAMP, MAWPS, MultiArith, AddSub, MATH answers and AQuA.

Numbers that a file writes as 43.0 become the answer "43". AQuA is multiple choice: its options stand in the
problem's text and in its meta, as "options"; the answer is the letter. Licences: SVAMP, MAWPS, MATH: MIT; AQuA:
Apache-2.0.
Papers: SVAMP arXiv 2103.07191; MAWPS (Koncel-Kedziorski et al., NAACL 2016); MultiArith (Roy and Roth, EMNLP
2015); AddSub (Hosseini et al., EMNLP 2014); MATH arXiv 2103.03874; AQuA arXiv 1705.04146.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from stepward.datasets.lines import Source
from stepward.datasets.reading import Tally
from stepward.datasets.rows import Columns, Extra, Row, read_rows
from stepward.errors import ConfigError
from stepward.types import Problem, content_key

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Form:
    """A format: its columns and how a row becomes a problem."""

    columns: Columns
    problem: Callable[[Row], Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems:
    """Reads problems of one of the `FORMS`."""

    form: str
    extra: Extra = "refuse"

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ConfigError("form is not known", got=self.form, mend=f"use one of {', '.join(FORMS)}")

    def stream(self, path: Source, tally: Tally) -> Iterator[Problem]:
        """One problem a row; those without an answer are counted."""
        form = FORMS[self.form]
        for row in read_rows(path, form.columns, tally, self.extra):
            problem = form.problem(row)
            tally.note("problems without an answer", int(problem.answer is None))
            yield problem


def _svamp(row: Row) -> Problem:
    body = row.filled("Body").strip()
    text = f"{body}{'' if body.endswith(('.', '?', '!', ',')) else ','} {row.filled('Question').strip()}"
    answer = shortest(row.number("Answer"))
    return Problem(id=f"svamp-{row.text('ID')}", text=text, answer=answer, domain="arithmetic", meta=row.extras)


def _mawps(row: Row) -> Problem:
    number, answer = row.integer("idx"), shortest(row.number("target"))
    text = row.filled("input").strip()
    return Problem(id=f"mawps-{number}", text=text, answer=answer, domain="arithmetic", meta=row.extras)


def _multi_arith(row: Row) -> Problem:
    return _indexed(row, "multiarith", shortest(_only(row, row.numbers("lSolutions"))))


def _add_sub(row: Row) -> Problem:
    return _indexed(row, "addsub", _only(row, row.texts("lSolutions")))


def _math_answers(row: Row) -> Problem:
    text, answer = row.filled("problem"), row.text("final_answer").strip()
    return Problem(id=f"math-{content_key(text)}", text=text, answer=answer or None, domain="math", meta=row.extras)


def _aqua(row: Row) -> Problem:
    options = row.texts("options")
    answer, letters = row.text("correct"), [option.partition(")")[0].strip() for option in options]
    if answer not in letters:
        raise row.error("correct", f"must be one of the options {', '.join(letters)}", got=answer)
    text = "\n".join([row.filled("question"), *options])
    return Problem(
        id=f"aqua-{content_key(text)}",
        text=text,
        answer=answer,
        answer_kind="choice",
        domain="algebra",
        meta={"options": list(options), **row.extras},
    )


def _indexed(row: Row, name: str, answer: str) -> Problem:
    text = row.filled("sQuestion").strip()
    return Problem(id=f"{name}-{row.integer('iIndex')}", text=text, answer=answer, domain="arithmetic", meta=row.extras)


def _only(row: Row, solutions: list[T]) -> T:
    if len(solutions) != 1:
        raise row.error("lSolutions", "must hold one solution", got=solutions)
    return solutions[0]


def shortest(number: float) -> str:
    """A number as people write it: "43" for 43.0, "9.43" for 9.43."""
    return str(int(number)) if float(number).is_integer() else repr(number)


FORMS: Mapping[str, Form] = {
    "svamp": Form(
        Columns(required=("Body", "Question", "Answer", "ID"), optional=("Equation", "Type", "idx"), identity=("ID",)),
        _svamp,
    ),
    "mawps": Form(Columns(required=("input", "target", "idx"), optional=("type",), identity=("idx",)), _mawps),
    "multiarith": Form(
        Columns(
            required=("iIndex", "sQuestion", "lSolutions"), optional=("lEquations", "lAlignments"), identity=("iIndex",)
        ),
        _multi_arith,
    ),
    "addsub": Form(
        Columns(required=("iIndex", "sQuestion", "lSolutions"), optional=("lEquations",), identity=("iIndex",)),
        _add_sub,
    ),
    "math_answers": Form(Columns(required=("problem", "final_answer"), identity=("problem",)), _math_answers),
    "aqua": Form(Columns(required=("question", "options", "correct"), optional=("rationale",)), _aqua),
}
