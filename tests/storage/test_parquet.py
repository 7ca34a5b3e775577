import pytest

from stepward.errors import DataError, StorageError
from stepward.protocols import SearchResult
from stepward.storage.parquet import read_parquet, write_parquet
from stepward.types import Completion, LabeledTrace, Origin, Problem, Spend, Step, StepLabel, Trace, TraceScore

TRACE = Trace(
    problem_id="p",
    text="a\nb",
    steps=(Step(0, 2), Step(2, 3, "answer")),
    origin=Origin(maker="policy:x", settings={"t": [1, None]}, seed=2**70),
    meta={"x": {"y": 1}},
)
LABEL = StepLabel(target="value", value=0.5, source="rollout", successes=4, trials=8)


@pytest.mark.parametrize(
    "records",
    [
        [],
        [TRACE, Trace(problem_id="q", text="", steps=(), answer="7")],
        [LabeledTrace(trace=TRACE, labels=(LABEL, None))],
        [Problem(id="1", text="\ud800", answer="x"), Problem(id="2", text="plain")],
        [Spend(policy_tokens=2**80), Spend(policy_tokens=1, flops=0.1)],
        [Completion(text="", logprobs=(float("-inf"), -0.5), ended=True), Completion(text="b")],
        [TraceScore(value=0.1 + 0.2), TraceScore(value=1)],
        [SearchResult(problem_id="p", traces=(), chosen=None, answer=None, spend=Spend(), scores=(None, 0.5))],
        [SearchResult(problem_id="p", traces=(TRACE,), chosen=index, answer="1", spend=Spend()) for index in (0, None)],
    ],
    ids=lambda records: f"{len(records)}-{type(records[0]).__name__}" if records else "none",
)
def test_records_come_back_equal(tmp_path, records):
    kind = type(records[0]) if records else Trace
    path = tmp_path / "deep" / "table.parquet"
    write_parquet(path, kind, records)
    assert read_parquet(path, kind) == records


def test_text_and_numbers_are_columns_of_their_own(tmp_path):
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    write_parquet(path, Trace, [TRACE, TRACE])
    column = parquet.read_table(str(path)).column("text")
    assert column.to_pylist() == ["a\nb", "a\nb"]


def test_another_kind_of_record_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet(path, Trace, [TRACE])
    with pytest.raises(DataError, match="must hold Problem records; got 'Trace'"):
        read_parquet(path, Problem)


def test_a_file_that_is_no_table_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"not parquet at all")
    with pytest.raises(DataError, match=r"t\.parquet is no Parquet file"):
        read_parquet(path, Trace)
    with pytest.raises(StorageError, match=r"none\.parquet cannot be read"):
        read_parquet(tmp_path / "none.parquet", Trace)


def test_what_json_lacks_is_refused_and_the_old_table_stays(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet(path, Trace, [TRACE])
    odd = Trace(problem_id="p", text="", steps=(), meta={"x": float("nan")})
    with pytest.raises(DataError, match="cannot be written as JSON"):
        write_parquet(path, Trace, [odd])
    assert read_parquet(path, Trace) == [TRACE]
