import json

import pytest

from stepward.datasets.prm800k import Prm800k
from stepward.datasets.prm800k_eval import Prm800kEval
from stepward.datasets.prm800k_raw import Prm800kRaw, write_prm800k_raw
from stepward.datasets.reading import Example, read
from stepward.datasets.repeats import one_per_trace
from stepward.errors import ConfigError, DataError, LabelError

FLAT = {
    "id": "x-0",
    "problem": "What is 3+4?",
    "steps": ["We add.", "3+4 = 8.", "So 8.\n\n# Answer\n\n8"],
    "ratings": [1, 0, -1],
    "problem_split": "math_train",
    "has_final_answer": True,
    "truncated": False,
}


def values(example: Example) -> list[float | None]:
    return [None if label is None else label.value for label in example.labeled.labels]


def offered(*pairs: tuple[str, int | None], chosen: int | None = None, own: str | None = None) -> dict[str, object]:
    human = None if own is None else {"text": own, "rating": None, "source": "human", "flagged": False}
    completions = [{"text": text, "rating": rating, "flagged": False} for text, rating in pairs]
    return {"completions": completions, "human_completion": human, "chosen_completion": chosen}


def raw(*steps: dict[str, object], finish: str = "solution", **more: object) -> dict[str, object]:
    question = {"problem": "What is 3+4?", "ground_truth_answer": "7"}
    return {"question": question, "label": {"steps": list(steps), "finish_reason": finish, "total_time": 1}, **more}


def test_a_flat_row_is_a_trace_with_a_label_a_step(jsonl):
    (example,) = read(Prm800k(), jsonl(FLAT)).items
    assert values(example) == [1.0, 1.0, 0.0]
    assert example.labeled.first_error == 2
    assert example.labeled.trace.answer == "8"
    assert example.labeled.trace.meta["ratings"] == [1, 0, -1]


def test_neutral_ratings_are_mapped_as_asked(jsonl):
    path = jsonl(FLAT)
    assert values(read(Prm800k(neutral="bad"), path).items[0]) == [1.0, 0.0, 0.0]
    assert values(read(Prm800k(neutral="drop"), path).items[0]) == [1.0, None, 0.0]
    assert values(read(Prm800k(neutral=0.5), path).items[0]) == [1.0, 0.5, 0.0]
    with pytest.raises(ConfigError):
        Prm800k(neutral="neutral")  # type: ignore[arg-type]


def test_ratings_that_do_not_fit_the_steps_are_refused(jsonl):
    with pytest.raises(DataError, match=r"line 1, field 'ratings': .*3 steps.*got 2"):
        read(Prm800k(), jsonl(FLAT | {"ratings": [1, -1]}))
    with pytest.raises(DataError, match=r"line 1, field 'ratings': the rating of step 1"):
        read(Prm800k(), jsonl(FLAT | {"ratings": [1, 2, 1]}))


def test_the_path_takes_chosen_steps_then_the_labelers_own_then_ends_at_the_first_offered(jsonl):
    walk = raw(
        offered(("a", 1), ("b", 0), chosen=1),
        offered(("c", -1), ("d", -1), own="e"),
        offered(("f", -1), ("g", 1)),
        offered(("never", 1), chosen=0),
        finish="found_error",
    )
    reading = read(Prm800kRaw(), jsonl(walk))
    (example,) = reading.items
    assert example.labeled.trace.step_texts == ("b\n\n", "e\n\n", "f")
    assert values(example) == [1.0, 1.0, 0.0]
    assert reading.report.notes == {"steps written by a labeler": 1, "steps after the end of a walk left out": 1}
    assert values(read(Prm800kRaw(own_step="unlabelled"), jsonl(walk)).items[0]) == [1.0, None, 0.0]


def test_alternatives_are_prefixes_whose_last_step_alone_is_labelled(jsonl):
    walk = raw(offered(("a", 1), chosen=0), offered(("b", -1), ("c", 1), ("d", 0), ("d", 0), chosen=1))
    reading = read(Prm800kRaw(take="alternatives"), jsonl(walk))
    assert [example.labeled.trace.text for example in reading.items] == ["a\n\nc", "a\n\nb", "a\n\nd"]
    assert [values(example) for example in reading.items] == [[1.0, 1.0], [None, 0.0], [None, 1.0]]
    assert reading.report.notes == {"repeated alternatives left out": 1}


def test_no_step_is_weighted_twice(jsonl):
    walk = raw(offered(("a", 1), ("b", 1), chosen=0), offered(("c", 1), ("d", -1), chosen=0))
    labelled = [
        example.labeled.trace.prefix(index + 1).rstrip()
        for example in read(Prm800kRaw(take="alternatives"), jsonl(walk)).items
        for index, label in enumerate(example.labeled.labels)
        if label is not None
    ]
    assert sorted(labelled) == ["a", "a\n\nc", "a\n\nd", "b"]


@pytest.mark.parametrize("finish", ["bad_problem", "give_up"])
def test_walks_that_were_given_up_are_dropped_and_counted(jsonl, finish):
    reading = read(Prm800kRaw(), jsonl(raw(offered(("a", 1), chosen=0), finish=finish)))
    assert (len(reading.items), reading.report.dropped) == (0, {finish: 1})


def test_a_choice_outside_the_completions_is_refused(jsonl):
    with pytest.raises(DataError, match=r"field 'label.steps\[0\].chosen_completion'"):
        read(Prm800kRaw(), jsonl(raw(offered(("a", 1), chosen=1))))


def test_another_finish_is_refused(jsonl):
    with pytest.raises(DataError, match=r"field 'label.finish_reason'"):
        read(Prm800kRaw(), jsonl(raw(finish="tired")))


def test_a_path_survives_writing_in_the_original_schema(jsonl, tmp_path):
    (example,) = read(Prm800k(neutral=0.5), jsonl(FLAT)).items
    write_prm800k_raw(tmp_path / "raw.jsonl", [example])
    (again,) = read(Prm800kRaw(neutral=0.5), tmp_path / "raw.jsonl").items
    assert again.labeled.trace.id == example.labeled.trace.id
    assert again.labeled.labels == example.labeled.labels
    assert again.labeled.trace.meta["finish_reason"] == "found_error"


def test_a_value_that_is_no_rating_is_not_written(jsonl, tmp_path):
    (example,) = one_per_trace(
        read(Prm800k(), jsonl(FLAT, FLAT | {"id": "x-1", "ratings": [1, 1, 1]}, FLAT | {"id": "x-2"})).items
    ).examples
    example.labeled.trace.meta.pop("ratings")  # type: ignore[attr-defined]
    with pytest.raises(LabelError, match="ratings -1, 0 and 1"):
        write_prm800k_raw(tmp_path / "raw.jsonl", [example])


def test_the_evaluation_form_gives_chains_and_alternatives(tmp_path):
    augs = [{"aug_step": "c", "aug_idx": 1, "aug_type": -1}, {"aug_step": "d", "aug_idx": 2, "aug_type": 0}]
    chain = {"steps": ["a", "b"], "labels": [1, 1], "augs": augs}
    path = tmp_path / "eval.json"
    path.write_text(json.dumps([{"question": "q", "answer": "long", "chain_of_thoughts": [chain]}]))
    reading = read(Prm800kEval(), path)
    assert [example.labeled.trace.text for example in reading.items] == ["a\n\nb", "a\n\nc", "a\n\nb\n\nd"]
    assert [values(example) for example in reading.items] == [[1.0, 1.0], [None, 0.0], [None, None, 1.0]]
    assert len(read(Prm800kEval(take="path"), path).items) == 1
    chain["augs"] = [{"aug_step": "c", "aug_idx": 3, "aug_type": -1}]
    path.write_text(json.dumps([{"question": "q", "chain_of_thoughts": [chain]}]))
    with pytest.raises(DataError, match=r"chain_of_thoughts\[0\].augs\[0\].aug_idx"):
        read(Prm800kEval(), path)


def test_kept_columns_go_into_meta_at_every_level_that_has_one(jsonl):
    walk = raw(offered(("a", 1), chosen=0), note="n")
    walk["label"]["mood"] = "good"  # type: ignore[index]
    with pytest.raises(DataError, match="field 'note'"):
        read(Prm800kRaw(), jsonl(walk))
    (example,) = read(Prm800kRaw(extra="keep"), jsonl(walk)).items
    assert (example.labeled.trace.meta["note"], example.labeled.trace.meta["mood"]) == ("n", "good")
    (flat,) = read(Prm800k(extra="keep"), jsonl(FLAT | {"level": 3})).items
    assert flat.labeled.trace.meta["level"] == 3


def test_alternatives_after_an_error_on_the_path_are_dropped_or_zero(jsonl):
    walk = jsonl(raw(offered(("a", -1), chosen=0), offered(("b", 1), ("c", 1), chosen=0)))
    reading = read(Prm800kRaw(take="alternatives"), walk)
    assert [values(example) for example in reading.items] == [[0.0, None]]
    assert reading.report.dropped == {"alternatives without a label": 1}
    zero = read(Prm800kRaw(take="alternatives", after="zero"), walk)
    assert [values(example) for example in zero.items] == [[0.0, 0.0], [None, 0.0]]
