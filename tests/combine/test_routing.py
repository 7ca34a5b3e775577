import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from stepward.combine.routing import (
    ByName,
    ByWords,
    Route,
    fit_by_words,
    router_from_json,
    router_to_json,
)
from stepward.errors import ConfigError, LabelError
from stepward.types import Problem

TOPICS = {
    "biology": "cells divide and enzymes bind proteins in the membrane of the nucleus",
    "law": "the contract was breached and the plaintiff sued for damages in court",
    "maths": "solve the equation for x and prove that the integral converges",
}


def problems(each: int = 12) -> list[Problem]:
    rng = np.random.default_rng(0)
    return [
        Problem(id=f"{domain}{k}", text=" ".join(rng.choice(words.split(), 8)), domain=domain)
        for domain, words in TOPICS.items()
        for k in range(each)
    ]


ROUTER = fit_by_words(problems())


def test_a_learned_router_knows_texts_that_it_never_saw() -> None:
    for domain, words in TOPICS.items():
        found = ROUTER.route(Problem(id="new", text=words))
        assert found.domain == domain and found.chance > 0.6


def test_our_numbers_are_those_of_scikit_learn() -> None:
    known = problems()
    texts = [problem.text for problem in known]
    rival = TfidfVectorizer(token_pattern=r"[a-z]{2,}", min_df=2).fit(texts)
    model = LogisticRegression(C=10.0, max_iter=1000).fit(rival.transform(texts), [p.domain for p in known])
    text = "the enzymes sued the integral"
    theirs = dict(zip(model.classes_, model.predict_proba(rival.transform([text]))[0], strict=True))
    ours = replace(ROUTER, sure=0.0).route(Problem(id="new", text=text))
    assert theirs[ours.domain] == max(theirs.values()) == pytest.approx(ours.chance, abs=1e-4)


def test_two_domains_are_routed_like_three() -> None:
    known = [p for p in problems() if p.domain != "law"]
    router = fit_by_words([*known, Problem(id="u", text="of no domain that is known")], sure=0.6)
    assert router == fit_by_words(known, sure=0.6), "what names no domain teaches nothing"
    for domain in router.domains:
        assert router.route(Problem(id="n", text=TOPICS[domain])).domain == domain
    texts, text = [problem.text for problem in known], "the enzymes solve the integral"
    rival = TfidfVectorizer(token_pattern=r"[a-z]{2,}", min_df=2).fit(texts)
    model = LogisticRegression(C=10.0, max_iter=1000).fit(rival.transform(texts), [p.domain for p in known])
    chance = max(model.predict_proba(rival.transform([text]))[0])
    assert 0.5 < chance < 0.99
    assert router.route(Problem(id="n", text=text)).chance == pytest.approx(chance, abs=1e-4)


def test_an_unsure_router_names_no_expert() -> None:
    assert ROUTER.route(Problem(id="n", text="zebra quagga okapi")) == Route(domain="", chance=1 / 3)
    assert ROUTER.route(Problem(id="n", text="")).domain == ""
    strict = replace(ROUTER, sure=0.99)
    assert strict.route(Problem(id="n", text="the and in")).domain == ""


def test_names_are_taken_only_where_there_is_an_expert() -> None:
    router = ByName(domains=("law",))
    assert router.route(Problem(id="n", text="t", domain="law")) == Route(domain="law", chance=1.0)
    assert router.route(Problem(id="n", text="t", domain="art")).domain == ""


def test_routers_survive_json() -> None:
    for router in (ROUTER, ByName(domains=("law", "maths"))):
        again = router_from_json(json.loads(json.dumps(router_to_json(router))))
        assert again == router
    with pytest.raises(ConfigError, match="no such router"):
        router_from_json({"router": "oracle"})


def test_routers_refuse_what_cannot_teach_them() -> None:
    with pytest.raises(LabelError, match="two domains"):
        fit_by_words([Problem(id="a", text="the law", domain="law")])
    with pytest.raises(LabelError, match="no word"):
        fit_by_words([Problem(id="a", text="cat", domain="x"), Problem(id="b", text="dog", domain="y")])
    for sure in (-0.1, 1.1):
        with pytest.raises(ConfigError, match="sure must lie"):
            replace(ROUTER, sure=sure)
    with pytest.raises(ConfigError, match="every domain needs"):
        ByWords(domains=("a", "b"), words=("x",), idf=(1.0,), weights=((1.0,),), shifts=(0.0,))
