import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from stepward import registry
from stepward.budget import Budget
from stepward.config import as_mapping, build, describe, differences, load_recipe, typed
from stepward.errors import ConfigError
from stepward.protocols import Segmenter
from stepward.types import Json, Step


@dataclass(frozen=True, kw_only=True)
class Halves:
    """A segmenter of this test."""

    at: int = 1
    mode: Literal["left", "right"] = "left"

    def __post_init__(self) -> None:
        if self.at < 1:
            raise ValueError(f"at must be at least 1, got {self.at}")

    @property
    def tag(self) -> str:
        return "halves@1"

    def segment(self, text: str) -> tuple[Step, ...]:
        return (Step(0, len(text)),) if text else ()


@dataclass(frozen=True, kw_only=True)
class Nested:
    """A section of a recipe with all that a section may hold."""

    n: int
    lr: float = 0.1
    name: str = "x"
    folder: Path = Path("runs")
    sizes: tuple[int, ...] = ()
    budget: Budget | None = None
    budgets: tuple[Budget, ...] = ()
    by_name: Mapping[str, Budget] = field(default_factory=dict)
    cut: Segmenter = field(default_factory=Halves)
    cuts: tuple[Segmenter, ...] = ()
    meta: Mapping[str, Json] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)


@pytest.fixture(autouse=True)
def halves(monkeypatch):
    monkeypatch.setattr(registry, "_added", {})
    registry.register("segmenter", "halves", Halves)


def recipe(tmp_path, text):
    path = tmp_path / "r.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_recipe_is_read_and_overridden(tmp_path):
    path = recipe(tmp_path, "train:\n  lr: 0.1\nlabelers:\n- {k: 4}\n- {k: 8}\n")
    overrides = ["train.lr=1e-3", "labelers.1.k=16", "train.new.deep=[1, 2]", "seed=", "name=a=b"]
    assert load_recipe(path, overrides) == {
        "train": {"lr": 0.001, "new": {"deep": [1, 2]}},
        "labelers": [{"k": 4}, {"k": 16}],
        "seed": None,
        "name": "a=b",
    }


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lr", "written dotted.path=value; got 'train.lr'"),
        ("train..lr=1", "written dotted.path=value"),
        ("=1", "written dotted.path=value"),
        ("list.2=1", r"override list\.2: a list of 2 items takes 0 to 1; got '2'"),
        ("list.x=1", r"override list\.x: a list of 2 items"),
        ("lr.x=1", r"override lr\.x: there is no mapping or list above it; got 0\.1"),
        ("lr=[1", r"override 'lr=\[1', line 1: not valid YAML"),
    ],
)
def test_an_override_that_fits_nowhere_is_refused(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe(recipe(tmp_path, "lr: 0.1\nlist: [1, 2]\n"), [override])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"# nothing\n", "is empty"),
        (b"- 1\n", r"must hold a YAML mapping; got \[1\]"),
        (b"a: 1\nb: \xff\n", r"r\.yaml, line 2: not UTF-8; got b'\\xff'"),
        (b"a: 1\na: 2\n", r"r\.yaml, line 2: the key 'a' stands twice"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe(recipe(tmp_path, content))


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file"):
        load_recipe(tmp_path / "none.yaml")


def test_a_byte_order_mark_is_no_trouble(tmp_path):
    assert load_recipe(recipe(tmp_path, b"\xef\xbb\xbfa: 1\n")) == {"a": 1}


def test_a_component_is_built_from_its_name_or_a_mapping():
    assert build("segmenter", "halves") == Halves()
    assert build("segmenter", {"use": "halves", "at": 3, "mode": "right"}) == Halves(at=3, mode="right")
    assert build("segmenter", {"use": f"{__name__}:Halves", "at": 2}) == Halves(at=2)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"use": "halvs"}, r"search\.cut: no segmenter is called 'halvs'; did you mean 'halves'\?"),
        ({"at": 3}, r"search\.cut must be a name, or a mapping with `use: name`.*halves"),
        (3, r"search\.cut must be a name"),
        ({"use": "halves", "att": 1}, r"search\.cut\.att is no field of Halves; did you mean 'at'\? known: at, mode"),
        ({"use": "halves", "at": "1"}, r"search\.cut\.at: Input should be a valid integer; got '1'"),
        ({"use": "halves", "at": 1.5}, r"search\.cut\.at: .* integer; got 1\.5"),
        ({"use": "halves", "at": True}, r"search\.cut\.at: .* integer; got True"),
        ({"use": "halves", "at": 0}, r"search\.cut\.at: at must be at least 1, got 0"),
        ({"use": "halves", "mode": "up"}, r"search\.cut\.mode: Input should be 'left' or 'right'; got 'up'"),
        ({"use": "stepward.budget:Budget"}, r"search\.cut: 'stepward\.budget:Budget' is no segmenter"),
        ({"use": "os:system"}, r"search\.cut: 'os:system' is no segmenter"),
        ({"use": "no_such_module:X"}, r"search\.cut: no_such_module:X cannot be imported"),
        ({"use": "stepward.budget:Nothing"}, r"search\.cut: stepward\.budget:Nothing cannot be loaded"),
    ],
)
def test_what_is_no_component_is_refused_under_its_path(spec, message):
    with pytest.raises(ConfigError, match=message):
        build("segmenter", spec, "search.cut")


def test_a_section_takes_sections_components_and_collections_of_both():
    made = typed(
        Nested,
        {
            "n": 2,
            "lr": 1,
            "folder": "out",
            "sizes": [1, 2],
            "budget": {"seconds": 3},
            "budgets": [{"seconds": 1}, {}],
            "by_name": {"a": {"flops": 1e9}},
            "cut": {"use": "halves", "at": 5},
            "cuts": ["halves"],
            "meta": {"deep": [{"x": None}]},
            "weights": {"a": 1},
        },
    )
    assert made == Nested(
        n=2,
        lr=1.0,
        folder=Path("out"),
        sizes=(1, 2),
        budget=Budget(seconds=3.0),
        budgets=(Budget(seconds=1.0), Budget()),
        by_name={"a": Budget(flops=1e9)},
        cut=Halves(at=5),
        cuts=(Halves(),),
        meta={"deep": [{"x": None}]},
        weights={"a": 1.0},
    )
    assert typed(Nested, {"n": 1, "budget": None}) == Nested(n=1)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "train lacks n; fields: n, lr"),
        ([], "train must be a mapping"),
        ({"n": 1, "sizes": [1, "2"]}, r"train\.sizes\.1: .* integer; got '2'"),
        ({"n": 1, "sizes": 3}, r"train\.sizes: .* array; got 3"),
        ({"n": None}, r"train\.n: .* integer"),
        ({"n": 1, "budget": {"secs": 1}}, r"train\.budget\.secs is no field of Budget.*did you mean 'flops|known"),
        ({"n": 1, "budget": {"seconds": 0}}, r"train\.budget\.seconds: .*above 0"),
        ({"n": 1, "budgets": [{}, {"seconds": 0}]}, r"train\.budgets\.1\.seconds"),
        ({"n": 1, "budgets": {}}, r"train\.budgets must be a list"),
        ({"n": 1, "by_name": []}, r"train\.by_name must be a mapping"),
        ({"n": 1, "by_name": {"a": {"flop": 1}}}, r"train\.by_name\.a\.flop is no field"),
        ({"n": 1, "meta": 3}, r"train\.meta: .* object; got 3"),
        ({"n": 1, "weights": {"a": "b"}}, r"train\.weights: .* number; got 'b'"),
        ({"n": 1, "cut": {"use": "halves", "at": 0}}, r"train\.cut\.at"),
    ],
)
def test_a_section_that_does_not_fit_is_refused_under_its_path(mapping, message):
    with pytest.raises(ConfigError, match=message):
        typed(Nested, mapping, "train")


def test_a_range_that_concerns_several_given_fields_is_reported_for_the_whole():
    @dataclass(frozen=True, kw_only=True)
    class Span:
        low: int
        high: int

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low must not be above high")

    with pytest.raises(ConfigError, match=r"^search: low must not be above high$"):
        typed(Span, {"low": 2, "high": 1}, "search")


def test_the_resolved_config_builds_the_same_again():
    component = Halves(at=4, mode="right")
    assert describe(component) == {"use": "halves", "at": 4, "mode": "right"}
    assert build("segmenter", describe(component)) == component
    section = Nested(n=1, sizes=(1,), budget=Budget(seconds=2.0), cut=Halves(at=2), cuts=(Halves(),), meta={"a": [1]})
    resolved = as_mapping(section)
    assert resolved["cut"] == {"use": "halves", "at": 2, "mode": "left"}
    assert resolved["folder"] == "runs"
    assert typed(Nested, resolved) == section


def test_an_unlisted_component_is_described_by_its_path(monkeypatch):
    monkeypatch.setattr(registry, "_added", {})
    assert describe(Halves())["use"] == f"{__name__}:Halves"
    assert build("segmenter", describe(Halves())) == Halves()


def lower(text: str) -> str:
    return text.lower()


@dataclass(frozen=True, kw_only=True)
class WithFunction:
    """A section of this test."""

    read: Callable[[str], str]


def test_a_function_is_written_as_its_path():
    made = typed(WithFunction, {"read": f"{__name__}:lower"})
    assert made == WithFunction(read=lower)
    assert as_mapping(made) == {"read": f"{__name__}:lower"}
    for value, message in (
        (3, 'search.read must name a function, as "module:name"; got 3'),
        (f"{__name__}:__doc__", "search.read must name a function"),
        (f"{__name__}:nothing", "search.read: .*nothing cannot be loaded"),
    ):
        with pytest.raises(ConfigError, match=message):
            typed(WithFunction, {"read": value}, "search")
    with pytest.raises(ConfigError, match="cannot be written in a recipe"):
        as_mapping(WithFunction(read=lambda text: text))


def test_a_field_that_no_recipe_can_hold_is_refused():
    @dataclass(frozen=True)
    class Odd:
        thing: object

    with pytest.raises(ConfigError, match="field 'thing' cannot be written in a recipe"):
        as_mapping(Odd(thing=object()))


def test_differences_are_listed_by_dotted_path():
    old = {"a": {"b": 1, "c": [1]}, "d": 1}
    new = {"a": {"b": 2, "c": [1]}, "e": None}
    assert differences(old, new) == ["a.b: 1 -> 2", "d: 1 -> (absent)", "e: (absent) -> null"]
    assert differences(old, old) == []
    assert differences({"a": 1}, {"a": True}) == ["a: 1 -> true"]


def test_ground_modules_load_no_heavy_library():
    modules = [
        "budget",
        "config",
        "registry",
        "tree",
        "codec",
        "batching",
        "storage.run",
        "storage.cache",
        "storage.parquet",
    ]
    program = (
        f"import sys, {', '.join('stepward.' + name for name in modules)}\n"
        "heavy = {'numpy', 'torch', 'transformers', 'scipy', 'sklearn', 'pyarrow', 'pydantic', 'sympy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
