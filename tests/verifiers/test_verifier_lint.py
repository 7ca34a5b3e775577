"""Nothing but the confined worker may evaluate or parse an answer as an expression."""

import ast
import re
from pathlib import Path

import stepward

ROOT = Path(stepward.__file__).parent
BUILTINS = {"eval", "exec", "compile"}
PARSERS = {"sympify", "parse_expr", "parse_latex", "latex2sympy"}
SUSPECT = re.compile(rf"(?:{'|'.join(sorted(BUILTINS))})\s*\(|{'|'.join(sorted(PARSERS))}")
"""A file without any of these has no offence and need not be parsed."""


def offences(source):
    if not SUSPECT.search(source):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in BUILTINS | PARSERS:
                yield node.func.id
            if isinstance(node.func, ast.Attribute) and node.func.attr in PARSERS:
                yield node.func.attr
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[-1] in PARSERS)


def test_no_source_file_outside_the_worker_evaluates_text():
    files = [path for path in ROOT.rglob("*.py") if path != ROOT / "verifiers" / "worker.py"]
    assert len(files) > 10
    assert {str(path): found for path in files if (found := list(offences(path.read_text())))} == {}


def test_the_lint_sees_what_it_forbids():
    source = "import sympy\nfrom sympy import sympify\neval('1')\nsympy.parse_expr('1')\nmodel.eval()"
    assert sorted(offences(source)) == ["eval", "parse_expr", "sympify"]
