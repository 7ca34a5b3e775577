import pickle

import pytest

from stepward import errors
from stepward.errors import ConflictError, DataError, MissingExtraError, StepwardError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StepwardError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_travels_between_processes(kind):
    error = pickle.loads(pickle.dumps(kind("a step is empty", got=[1, "x"], mend="cut again")))
    assert type(error) is kind
    assert (error.what, error.got, error.mend) == ("a step is empty", [1, "x"], "cut again")
    assert str(error) == "a step is empty; got [1, 'x']; cut again"


def test_a_message_leaves_out_what_is_not_there():
    assert str(StepwardError("it failed")) == "it failed"
    assert str(StepwardError("it failed", mend="do this")) == "it failed; do this"
    assert str(StepwardError("it failed", got=0)) == "it failed; got 0"


def test_a_long_value_is_shortened_and_its_length_told():
    message = str(StepwardError("too long", got="x" * 1_000_000))
    assert len(message) < 300
    assert message.endswith("... (1000002 characters)")


def test_a_missing_extra_names_the_command():
    error = MissingExtraError.of("torch", "hf")
    assert str(error) == "torch is not installed; pip install 'stepward[hf]'"
    assert isinstance(error, ImportError)


def test_bad_data_is_named_by_file_line_and_field():
    error = ConflictError.at("a.jsonl", 3, "id", "stands twice", got="7", mend="remove one")
    assert type(error) is ConflictError
    assert isinstance(error, DataError)
    assert str(error) == "a.jsonl, line 3, field 'id': stands twice; got '7'; remove one"


def test_every_error_has_one_root_and_is_drawn_in_the_tree():
    assert len(KINDS) == 11
    for kind in KINDS:
        assert kind.__name__ in errors.__doc__
