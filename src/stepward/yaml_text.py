"""YAML text to plain values and back, without YAML 1.1's surprises.

Plain scalars follow the core schema of YAML 1.2: `1e-3` is a number, `no` and `on` are text, and `010`,
`1:30` and `2024-01-01` stay text instead of becoming 8, 90 and a date. `10_000` is a number. Keys are
text and unique. Tags, anchors and aliases are refused: a recipe is plain values, and an alias would let
one override change two places.
"""

from __future__ import annotations

import math
import re
from typing import ClassVar

import yaml

from stepward.errors import ConfigError
from stepward.types import Json

TAG = "tag:yaml.org,2002:"
BREAKS = re.compile("[\x85\u2028\u2029]")

_RULES = (
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)$"), "-+0123456789"),
    ("float", re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"), "-+.0123456789"),
)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Resolves plain scalars by `_RULES` alone."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Quotes every text that `_RULES` or YAML 1.1 would read as something else, and writes shared values out."""

    def ignore_aliases(self, data: object) -> bool:
        """Never an alias: `parse` refuses them."""
        return True

    def write_text(self, text: str) -> yaml.ScalarNode:
        """In double quotes, which escape it, where YAML would take a character of `text` for a line break."""
        style = '"' if BREAKS.search(text) else None
        return self.represent_scalar(TAG + "str", text, style=style)


_Dumper.add_representer(str, _Dumper.write_text)

for _name, _pattern, _first in _RULES:
    _Loader.add_implicit_resolver(TAG + _name, _pattern, list(_first))
    _Dumper.add_implicit_resolver(TAG + _name, _pattern, list(_first))


def parse(text: str, source: str) -> Json:
    """The value that `text` stands for. `ConfigError` names `source` and the line of what is wrong."""
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            return None
        _refuse_aliases(root, source)
        return _value(root, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or error.context
        raise ConfigError(f"{source}, line {line}: not valid YAML: {what}", mend="check indents and quotes") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{source}, line {line}: a character that YAML forbids", got=error.character) from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply", mend="write it flatter") from None


def dump(value: Json) -> str:
    """YAML text from which `parse` gets `value` back, floats that are not finite excepted."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def _value(node: yaml.Node, source: str) -> Json:
    if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
        return _mapping(node, source)
    if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
        return [_value(part, source) for part in node.value]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, source)
    raise ConfigError(f"{_at(node, source)}: tags are not read", got=node.tag, mend="write a plain value")


def _mapping(node: yaml.MappingNode, source: str) -> Json:
    found: dict[str, Json] = {}
    for key_node, value_node in node.value:
        key = _value(key_node, source)
        if not isinstance(key, str):
            raise ConfigError(f"{_at(key_node, source)}: a key must be text", got=key, mend="put it in quotes")
        if key in found:
            raise ConfigError(f"{_at(key_node, source)}: the key {key!r} stands twice", mend="keep one of them")
        found[key] = _value(value_node, source)
    return found


def _scalar(node: yaml.ScalarNode, source: str) -> Json:
    text: str = node.value
    if node.tag == TAG + "str":
        return text
    if node.tag == TAG + "bool":
        return text.lower() == "true"
    if node.tag == TAG + "null":
        return None
    if node.tag in (TAG + "int", TAG + "float"):
        return _number(node, source)
    raise ConfigError(f"{_at(node, source)}: tags are not read", got=node.tag, mend="write a plain value")


def _number(node: yaml.ScalarNode, source: str) -> Json:
    try:
        number = int(node.value) if node.tag == TAG + "int" else float(node.value)
        if math.isfinite(number):
            return number
    except (ValueError, OverflowError):  # more digits than Python reads, or a tag on what is no number
        pass
    raise ConfigError(f"{_at(node, source)}: not a finite number", got=node.value)


def _refuse_aliases(root: yaml.Node, source: str) -> None:
    """Raise where one node stands in two places, before anything is copied."""
    seen, stack = set(), [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            raise ConfigError(f"{_at(node, source)}: anchors and aliases are not read", mend="write the value out")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            stack.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            stack.extend(node.value)


def _at(node: yaml.Node, source: str) -> str:
    return f"{source}, line {node.start_mark.line + 1}"
