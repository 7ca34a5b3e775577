import dataclasses
from importlib import metadata

import pytest

from stepward import registry
from stepward.codec import field_types
from stepward.errors import ConfigError, MissingExtraError
from stepward.types import Step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    """A segmenter of this test."""

    @property
    def tag(self) -> str:
        return "whole@1"

    def segment(self, text: str) -> tuple[Step, ...]:
        return (Step(0, len(text)),) if text else ()


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(registry, "_added", {})


def test_rows_are_sorted_and_their_kinds_known():
    assert list(registry.TABLE) == sorted(registry.TABLE)
    assert {kind for kind, _ in registry.TABLE} <= set(registry.kinds())


@pytest.mark.parametrize("row", registry.TABLE, ids=" ".join)
def test_every_row_resolves_and_satisfies_its_kind(row):
    kind, name = row
    try:
        target = registry.resolve(kind, name)
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert isinstance(target, type)
    assert registry.satisfies(target, kind)
    assert dataclasses.is_dataclass(target)
    field_types(target)  # what a recipe's values are checked against
    parameters = target.__dataclass_params__
    assert parameters.frozen
    needed = [f for f in dataclasses.fields(target) if f.init and f.default is f.default_factory is dataclasses.MISSING]
    if not needed:
        target()


def test_an_unknown_name_gets_the_nearest_and_all_known():
    registry.register("segmenter", "whole", Whole)
    with pytest.raises(ConfigError, match=r"no segmenter is called 'hwole'; did you mean 'whole'\? known: .*whole"):
        registry.resolve("segmenter", "hwole")


def test_an_unknown_kind_gets_the_nearest():
    for use in (
        registry.names,
        lambda kind: registry.resolve(kind, "x"),
        lambda kind: registry.register(kind, "x", "y"),
    ):
        with pytest.raises(ConfigError, match=r"no kind of component is called 'segmentr'; did you mean 'segmenter'"):
            use("segmentr")


def test_a_registered_class_is_found_by_name_and_named_again():
    registry.register("segmenter", "whole", Whole)
    registry.register("segmenter", "whole", f"{__name__}:Whole")
    assert registry.resolve("segmenter", "whole") is Whole
    assert registry.name_of(Whole) == "whole"
    assert "whole" in registry.names("segmenter")
    assert registry.resolve("stage", "judge-steps") is registry.resolve("stage", "judge_steps")


def test_a_name_is_not_taken_over():
    registry.register("segmenter", "whole", Whole)
    with pytest.raises(ConfigError, match=r"'whole' already stands for .*Whole; got 'other:Whole'"):
        registry.register("segmenter", "whole", "other:Whole")


def test_other_packages_add_names_by_entry_point(monkeypatch):
    point = metadata.EntryPoint("theirs", f"{__name__}:Whole", "stepward.segmenter")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == "stepward.segmenter" else [])
    registry._entry_points.cache_clear()
    try:
        assert registry.resolve("segmenter", "theirs") is Whole
        assert "theirs" in registry.names("segmenter")
        assert "theirs" not in registry.names("verifier")
    finally:
        registry._entry_points.cache_clear()


def test_a_missing_library_names_the_extra(monkeypatch, tmp_path):
    (tmp_path / "wants_missing.py").write_text("raise ModuleNotFoundError(name='math_verify.parser')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=r"math_verify is not installed; pip install 'stepward\[math\]'"):
        registry.resolve("verifier", "wants_missing:X")


def test_satisfying_counts_methods_properties_and_fields():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class WithField:
        tag: str

        def segment(self, text: str) -> tuple[Step, ...]:
            return ()

    assert registry.satisfies(Whole, "segmenter")
    assert registry.satisfies(WithField, "segmenter")
    assert not registry.satisfies(Whole, "verifier")
    assert not registry.satisfies(Whole, "dataset")
