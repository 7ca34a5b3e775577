"""A matplotlib figure as part of a page with a strict content policy.

Such a page allows no style attribute, no second stylesheet and no repeated id. So every style becomes
a class named after its content, every id gets the figure's prefix, and comments, metadata and
namespaces go. Light tones become CSS variables: the figure follows the page's theme.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from xml.etree import ElementTree

from stepward.reports.palette import themed
from stepward.reports.plots import Drawable, svg_bytes
from stepward.reports.text import one_line

_FONTS = "'DejaVu Sans'"
WIDE = 360
"""Points above which a figure takes the whole column."""
_XLINK = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineSvg:
    """Markup of one figure, and the rules its classes need."""

    markup: str
    rules: dict[str, str]
    """Class name to declarations; equal declarations have one name in every figure."""


def inline(block: Drawable, prefix: str) -> InlineSvg:
    """`block` drawn for a page where no other id starts with `prefix`."""
    root = ElementTree.fromstring(svg_bytes(block))
    rules: dict[str, str] = {}
    _tidy(root, prefix, rules)
    root.set("class", "plot" if float(root.get("width", "0pt").removesuffix("pt")) > WIDE else "plot half")
    root.set("role", "img")
    root.set("aria-label", one_line(block.title) or "figure")
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    return InlineSvg(markup=ElementTree.tostring(root, encoding="unicode"), rules=rules)


def _tidy(element: ElementTree.Element, prefix: str, rules: dict[str, str]) -> None:
    element.tag = element.tag.rpartition("}")[2]
    element.tail = None
    if element.text is not None and not element.text.strip():
        element.text = None
    for child in list(element):
        if child.tag.rpartition("}")[2] in ("style", "metadata"):
            element.remove(child)
        else:
            _tidy(child, prefix, rules)
    for name, value in list(element.attrib.items()):
        del element.attrib[name]
        kept = _attribute(name, value, prefix, rules)
        if kept is not None:
            element.set(*kept)


def _attribute(name: str, value: str, prefix: str, rules: dict[str, str]) -> tuple[str, str] | None:
    if name == "style":
        declarations = _portable(value)
        rules[class_name := _class_name(declarations)] = declarations
        return "class", class_name
    if name == "id":
        return "id", prefix + value
    if name == _XLINK:
        return "href", value.replace("#", f"#{prefix}")
    if name == "version":
        return None
    return name, value.replace("url(#", f"url(#{prefix}")


def _portable(style: str) -> str:
    before, found, after = themed(style).partition(_FONTS)
    return before + "var(--sans)" + after.partition(";")[1] + after.partition(";")[2] if found else before


def _class_name(declarations: str) -> str:
    return "m" + hashlib.sha256(declarations.encode()).hexdigest()[:7]
