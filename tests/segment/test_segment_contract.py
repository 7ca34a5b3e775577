from __future__ import annotations

import os
import pickle
from dataclasses import FrozenInstanceError
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nasty_texts import GROWING, PIECES, SEGMENTERS, blanks, texts

from stepward.protocols import Segmenter
from stepward.segment.stops import ends_step

EXAMPLES = int(os.environ.get("STEPWARD_EXAMPLES", "100"))
"""A few thousand find what a hundred do not; the fast suite repeats the same hundred."""
many = settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES <= 100)
every = pytest.mark.parametrize("segmenter", SEGMENTERS, ids=lambda segmenter: segmenter.tag)


@many
@given(text=texts)
@example(text="")
@example(text="\n\n$5. \n\nA")
@example(text="a\n\n\n\nb\n \nc")
def test_spans_partition_the_text_and_none_is_blank_unless_all_is(text: str) -> None:
    for segmenter in SEGMENTERS:
        steps = segmenter.segment(text)
        assert "".join(text[step.start : step.end] for step in steps) == text
        assert all(a.end == b.start for a, b in pairwise(steps))
        assert all(text[step.start : step.end].strip() for step in steps) or len(steps) == 1
        assert bool(steps) == bool(text)


@many
@given(text=texts)
@example(text='{\n\n"a": 1\n\n}\n\nso $a. B$ and $5. He. \n\n```a. B `x`\n\nc')
@example(text="```A. B. C `x`\n\nd. E")
@example(text='[{"a": 1},\n\n{"b": 2}]\nx\n{"c": 3}')
def test_cutting_at_any_boundary_gives_the_same_first_steps(text: str) -> None:
    for segmenter in SEGMENTERS:
        steps = segmenter.segment(text)
        for count, step in enumerate(steps, 1):
            assert segmenter.segment(text[: step.end]) == steps[:count], segmenter.tag


@many
@given(text=texts, share=st.floats(0, 1))
def test_a_step_followed_by_another_is_final_while_the_text_grows(text: str, share: float) -> None:
    for segmenter in GROWING:
        seen = segmenter.segment(text[: round(share * len(text))])[:-1]
        assert segmenter.segment(text)[: len(seen)] == seen, segmenter.tag


@settings(parent=many, max_examples=20)
@given(text=blanks)
def test_a_text_of_whitespace_is_one_step_and_the_empty_text_none(text: str) -> None:
    for segmenter in SEGMENTERS:
        assert len(segmenter.segment(text)) == 1
        assert segmenter.segment("") == ()


@settings(parent=many, max_examples=30)
@given(text=texts)
def test_a_stop_string_after_visible_text_ends_a_step(text: str) -> None:
    for segmenter in SEGMENTERS:
        for stop in segmenter.stop_strings:  # type: ignore[attr-defined]
            assert ends_step(segmenter, text + "a" + stop)


@every
def test_it_is_a_versioned_frozen_picklable_segmenter(segmenter: Segmenter) -> None:
    assert isinstance(segmenter, Segmenter)
    name, _, version = segmenter.tag.partition("[")[0].partition("@")
    assert name.isidentifier() and version.isdigit()
    again = pickle.loads(pickle.dumps(segmenter))
    text = "".join(PIECES)
    assert again == segmenter and again.segment(text) == segmenter.segment(text)
    with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
        segmenter.tag = "other@1"  # type: ignore[misc]


def test_segmenters_with_different_settings_have_different_tags() -> None:
    assert len({segmenter.tag for segmenter in SEGMENTERS}) == len(SEGMENTERS)


RUNS = ("$1 ", "\\[x ", '{"\n', "\\begin{a}\n\n", "a. ", "Dr. ", "\n", " ", ".", "*", "\n ", "`", "[[\n", "a:\n\n", "9")


@pytest.mark.parametrize("unit", RUNS)
def test_a_long_run_of_one_opener_is_partitioned_by_all(unit: str) -> None:
    """Quadratic work on any of these takes minutes; `benchmarks/segmenters.py` measures the growth."""
    text = unit * (30_000 // len(unit))
    for segmenter in SEGMENTERS:
        assert sum(step.end - step.start for step in segmenter.segment(text)) == len(text)
