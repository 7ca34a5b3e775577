r"""Walks over JSON in running text without parsing it: depth of brackets, strings skipped.

A string ends at the latest with its line, as JSON wants, so a stray quotation mark does no harm beyond it; which
brackets count is known without reading on. Brackets of both kinds count alike: text that a model wrote is cut
where it seems to end, and only then parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

JSON_START = r'^[ \t]*(?:\{\s*["}]|\[\s*[\[{"])'
"""An object or an array of objects, arrays or strings at the start of a line. "[1]" and "{x" are prose."""
MARK = re.compile(r'\\.|"(?:[^"\\\n]|\\.)*"?|[{}\[\],]')


def walk(text: str, start: int, limit: int, depth: int = 0) -> Iterator[tuple[int, int, str]]:
    """(position behind it, depth behind it, mark) of each bracket and comma, until depth 0 or `limit`."""
    for mark in MARK.finditer(text, start, limit):
        symbol = mark[0]
        if symbol in "{[":
            depth += 1
        elif symbol in "}]":
            depth -= 1
        elif symbol != ",":
            continue
        yield mark.end(), depth, symbol
        if depth <= 0:
            return


def json_end(text: str, start: int, limit: int) -> int:
    """Where the value that starts at `start` ends; behind any text where it does not end before `limit`."""
    return next((at for at, depth, _ in walk(text, start, limit) if depth <= 0), len(text) + 1)
