"""Made-up reports for the tests of this folder, and text that would do harm where it is not escaped."""

from dataclasses import replace

from stepward.reports.model import (
    NO_ERROR,
    CrossCell,
    Crosstab,
    Curve,
    Estimate,
    Figure,
    Gallery,
    Point,
    Provenance,
    Reliability,
    ReliabilityBin,
    Report,
    Scatter,
    Section,
    Table,
    TraceView,
    Track,
)
from stepward.types import StepLabel

HOSTILE = (
    "</script></style><img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"
    "<svg onload=\"document.title='pwned'\">{{7*7}}{% raw %}"
    "\x1b[31m\x9b2J\u202edrow\u2066\x00 ]]> --> $\\frac{1}$ &amp; '\""
)


def label(value: float) -> StepLabel:
    return StepLabel(target="prefix", value=value, source="human")


def view(trace_id: str = "t", *, scores: tuple[float | None, ...] = (0.9, 0.2), **changes: object) -> TraceView:
    steps = tuple(f"step number {index}\n" for index in range(len(scores)))
    fields: dict[str, object] = {
        "id": trace_id,
        "problem": "What is 2 + 2?",
        "steps": steps,
        "tracks": (Track(scorer="PRM", values=scores),),
        "verdict": "different",
    }
    return TraceView(**(fields | changes))  # type: ignore[arg-type]


def hostile_view(trace_id: str = HOSTILE) -> TraceView:
    return view(
        trace_id,
        problem=HOSTILE,
        steps=(HOSTILE, "x" * 3000 + HOSTILE),
        tracks=(Track(scorer=HOSTILE, values=(0.9, 0.1)),),
        labels=(StepLabel(target="prefix", value=1.0, source="human", note=HOSTILE), None),
        true_error=1,
        predicted_error=NO_ERROR,
        answer=HOSTILE,
        reference=HOSTILE,
        tags=(HOSTILE,),
        note=HOSTILE,
    )


def figures(text: str) -> tuple[Figure, Scatter, Reliability]:
    curve = Curve(name=text, xs=(1, 2, 4), ys=(0.1, 0.2, 0.3), lows=(0.0, 0.1, 0.2), highs=(0.2, 0.3, 0.4))
    bins = (ReliabilityBin(score=0.2, rate=0.3, count=5, low=0.1, high=0.5),)
    return (
        Figure(title=text, x_label=text, y_label=text, curves=(curve,), log_x=True, note=text),
        Scatter(title=text, x_label=text, y_label=text, points=(Point(name=text, x=10, y=0.5),), note=text),
        Reliability(title=text, before=bins, after=bins, ece=(0.1, 0.01), note=text),
    )


def drawn_report(text: str, *traces: TraceView) -> Report:
    """Every text field of every record holds `text`; with figures, which take time to draw."""
    plain = report(text, *traces)
    return replace(plain, sections=(*plain.sections, Section(title=text, blocks=figures(text))))


def report(text: str, *traces: TraceView) -> Report:
    """The same without figures."""
    table = Table(title=text, columns=(text, "n"), rows=((text, Estimate(value=0.5, low=0.4, high=0.6)),), note=text)
    cell = CrossCell(count=1, trace_ids=(text, "elsewhere"))
    cross = Crosstab(title=text, row_names=(text,), column_names=(text,), cells=((cell,),), note=text)
    return Report(
        title=text,
        headline=table,
        summary=(text,),
        sections=(Section(title=text, note=text, blocks=(table, cross)),),
        traces=traces,
        galleries=(Gallery(title=text, worst=traces[:1], sampled=traces[:1], how=text, seed=7),),
        cost=(table,),
        provenance=Provenance(config=text, versions={text: text}, seeds={text: 1}, models={text: text}),
    )
