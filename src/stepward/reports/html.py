"""A report as one HTML file that can be sent to a colleague.

It opens from disk, asks the network for nothing, and holds its one stylesheet, its one script and its
numbers. The content policy allows exactly those two by hash, so markup that slipped through escaping
would still run nothing; all foreign text is escaped by jinja2 after `visible` or `one_line`. The page
is readable without its script, which sorts, filters and searches. Same report, same bytes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import os
import tempfile
from pathlib import Path

import jinja2
from markupsafe import Markup

from stepward.errors import StorageError
from stepward.reports import palette, tables, views
from stepward.reports.model import Cell, Crosstab, Estimate, Report, Table
from stepward.reports.page import PageBlock, build
from stepward.reports.text import count, one_line, visible

ASSETS = Path(__file__).parent / "assets"
SHOWN = 1200
"""Characters of a step shown at once; a longer one folds its rest away."""
EXCERPT = 110
"""Characters of the problem shown on a trace's line."""


def write(report: Report, path: Path) -> Path:
    """Render `report` into `path`: wholly or not at all. Raises `StorageError` where the disk refuses."""
    page = render(report).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(page)
            os.chmod(part, 0o644)
            os.replace(part, path)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot write report {path}: {error.strerror or error}", mend="name another path"
        ) from error
    return path


def render(report: Report) -> str:
    """The page. Raises `MissingExtraError` where it has figures and matplotlib is not installed."""
    page = build(report)
    rules = "".join(f".{name}{{{page.rules[name]}}}\n" for name in sorted(page.rules))
    style = palette.css() + _asset("report.css") + rules
    script = _asset("report.js")
    template = _environment().get_template("report.html")
    return template.render(
        page=page, report=report, style=Markup(style), script=Markup(script), policy=_policy(style, script)
    )


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8").replace("\r\n", "\n")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=visible,
        line=one_line,
        excerpt=lambda text, longest=EXCERPT: one_line(text, longest),
        cell=_cell_parts,
        score=views.score_text,
        level=palette.level,
        label=views.label_text,
        counted=count,
        markup=Markup,
    )
    environment.globals.update(
        facts=views.facts,
        marks=views.marks,
        verdict=views.verdict_word,
        number=tables.number_text,
        kind=_kind,
        column_digits=lambda table: [tables.decimals(table, index) for index in range(len(table.columns))],
        SHOWN=SHOWN,
    )
    return environment


def _cell_parts(cell: Cell, digits: int | None) -> tuple[str, str, float | None]:
    """Text, interval and sorting number of a cell."""
    if isinstance(cell, Estimate):
        return tables.number_text(cell.value, cell.digits), tables.interval_text(cell), _sortable(cell.value)
    return tables.cell_text(cell, digits), "", None if cell is None or isinstance(cell, str) else _sortable(cell)


def _sortable(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _kind(block: PageBlock) -> str:
    return "table" if isinstance(block, Table) else "crosstab" if isinstance(block, Crosstab) else "drawing"
