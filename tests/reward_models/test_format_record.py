from __future__ import annotations

import json
import math

import pytest

from stepward.errors import ConfigError
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT


def test_a_format_survives_json():
    assert PRMFormat.from_json(json.loads(json.dumps(STEPWARD_DEFAULT.to_json()))) == STEPWARD_DEFAULT


def test_fields_that_no_format_has_are_refused():
    with pytest.raises(ConfigError, match="markr"):
        PRMFormat.from_json({"name": "x", "markr": "ки"})


@pytest.mark.parametrize(
    "fields, says", [({"prompt": "solve"}, "problem"), ({"marker": ""}, "marker"), ({"system": "be good"}, "chat")]
)
def test_what_cannot_be_a_format_is_refused(fields, says):
    with pytest.raises(ConfigError, match=says):
        PRMFormat(name="x", **fields)


@pytest.mark.parametrize(
    "fields, logit, score",
    [
        ({}, 0.0, 0.5),
        ({}, math.log(3), 0.75),
        ({"polarity": "bad"}, math.log(3), 0.25),
        ({"convention": "margin"}, math.log(3), 0.5),
        ({"convention": "logit"}, -7.5, -7.5),
        ({"convention": "logit", "polarity": "bad"}, -7.5, 7.5),
        ({}, 1e4, 1.0),
        ({}, -1e4, 0.0),
    ],
)
def test_a_score_follows_convention_and_polarity(fields, logit, score):
    assert PRMFormat(name="x", **fields).score(logit) == pytest.approx(score)
