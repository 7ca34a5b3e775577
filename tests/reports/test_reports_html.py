import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile_report import HOSTILE, drawn_report, hostile_view, label, report, view

from stepward.errors import DataError, StorageError
from stepward.protocols import SearchNode
from stepward.reports.html import render, write
from stepward.reports.model import Estimate, Report, Table, TraceView, Track, TreeView
from stepward.reports.page import block_json


class Page(HTMLParser):
    """Tags, attributes and text of a page; what stands in scripts and styles apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.raw: dict[str, str] = {}
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("script", "style"):
            self._inside = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data
        else:
            self.text += data


@pytest.fixture(scope="module")
def hostile_page() -> str:
    return render(drawn_report(HOSTILE, hostile_view()))


def test_hostile_text_adds_no_element_and_no_event_attribute(hostile_page: str) -> None:
    similar = view(steps=("x" * 3000, "y"), labels=(label(1.0), None), true_error=1)
    page, tame = Page(hostile_page), Page(render(drawn_report("tame", similar)))
    assert page.tags.count("script") == 2 and page.tags.count("style") == 1 and "img" not in page.tags
    assert set(page.tags) == set(tame.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]


def test_hostile_text_is_shown_as_it_is(hostile_page: str) -> None:
    text = Page(hostile_page).text
    assert "{{7*7}}{% raw %}⟨U+001B⟩[31m⟨U+009B⟩2J⟨U+202E⟩drow" in text
    assert "&amp; '\"" in text
    assert not {"\x1b", "\x9b", "\x00", "\u202e", "\u2066"} & set(hostile_page)


def test_the_page_asks_for_nothing(hostile_page: str) -> None:
    page = Page(hostile_page)
    links = [value for name, value in page.attributes if name in ("href", "src", "action", "data", "poster", "srcset")]
    assert links and all((link or "").startswith("#") for link in links)
    assert "url(" not in page.raw["style"] and "@import" not in page.raw["style"]


def test_the_policy_allows_exactly_the_style_and_script_of_the_page(hostile_page: str) -> None:
    page = Page(hostile_page)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', hostile_page)[1])  # type: ignore[index]

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest(page.raw['style'])}';" in policy
    assert f"script-src 'sha256-{digest(page.raw['script'])}';" in policy


def test_ids_are_unique_and_inner_links_lead_somewhere(hostile_page: str) -> None:
    attributes = Page(hostile_page).attributes
    ids = [value for name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in attributes if name == "href" and value} <= set(ids)


def test_the_block_of_numbers_round_trips() -> None:
    shown = view("t", scores=(0.25, None), labels=(label(1.0), label(0.0)), tags=(HOSTILE,))
    numbers = json.loads(Page(render(report(HOSTILE, shown))).raw["numbers"])
    assert numbers["title"] == HOSTILE
    assert numbers["traces"][0]["scores"] == {"PRM": [0.25, None]}
    assert numbers["traces"][0]["labels"] == [1.0, 0.0]
    assert numbers["headline"]["rows"][0][1]["low"] == 0.4


def test_json_escapes_what_a_parser_could_read_and_nulls_what_json_lacks() -> None:
    text = block_json({"a": ["</script>", "<!--", float("nan"), float("inf"), "\ud800"]})
    assert "<" not in text
    assert json.loads(text) == {"a": ["</script>", "<!--", None, None, "\ud800"]}


def test_equal_reports_give_equal_bytes() -> None:
    pages = [render(report(title, hostile_view())) for title in ("a", "a", "b")]
    assert pages[0] == pages[1] != pages[2]


def test_parts_stand_in_the_readers_order() -> None:
    shown = report("Steps", view())
    ids = re.findall(r'<section id="([^"]+)"', render(shown))
    assert ids == ["headline", "section-0", "traces", "failures", "cost", "provenance"]
    bare = Report(title="x", headline=Table(title="h", columns=("a",), rows=()))
    assert re.findall(r'<section id="([^"]+)"', render(bare)) == ["headline", "provenance"]


def test_score_label_and_error_stand_in_words_beside_the_shade() -> None:
    shown = view(labels=(label(1.0), label(0.0)), true_error=1, predicted_error=0)
    page = render(report("x", shown))
    row = re.search(r'<tr><th scope="row">1</th>.*?</tr>', page)[0]  # type: ignore[index]
    assert re.search(r'<td class="n s4">0.20</td><td class="words s4"', row)
    assert "first error by label" in row and "prefix: wrong by human" in row


def test_a_long_step_is_folded_and_complete() -> None:
    page = render(report("x", view(steps=("begin" + "y" * 1_000_000 + "end", "z"))))
    assert "more characters</summary>" in page
    assert sum(map(len, re.findall("y{100,}", page))) == 2 * 1_000_000 + 1_000_000
    assert page.count('<details class="more">') == 3


def test_headline_shows_interval_and_number_to_sort_by() -> None:
    table = Table(title="h", columns=("m", "a"), rows=(("x", Estimate(value=0.5, low=0.4, high=0.6)), ("y", 1234)))
    page = render(Report(title="t", headline=table))
    assert '<td class="n" data-v="0.5">0.500 <span class="ci">[0.400, 0.600]</span></td>' in page
    assert '<td class="n" data-v="1234">1,234</td>' in page


def test_traces_with_one_id_get_one_anchor() -> None:
    page = render(report("x", view("x"), view("x")))
    assert page.count('id="trace-0"') == 1 and "trace-1" not in page
    assert '<a href="#trace-0">x</a>' in page and '<span class="id">elsewhere</span>' in page


def test_a_trace_without_scores_or_steps_is_shown() -> None:
    page = render(report("x", view(scores=(), tracks=(), verdict=None)))
    assert "This trace has no steps." in page and "not judged" in page


def test_five_hundred_traces_stay_under_five_megabytes() -> None:
    page = render(report("x", *(many_steps(str(index)) for index in range(500))))
    assert len(page.encode()) <= 5_000_000
    assert page.count('<details class="trace"') == 502


def many_steps(trace_id: str) -> TraceView:
    tracks = tuple(Track(scorer=name, values=(0.123456,) * 10) for name in ("PRM", "other"))
    words = tuple("a line of mathematics with some words around it, as long as usual " * 3 for _ in range(10))
    return view(trace_id, steps=words, tracks=tracks, labels=(label(1.0),) * 10)


def test_writing_replaces_the_file_or_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    assert write(report("one", view()), path) == path
    assert "<title>one</title>" in path.read_text()
    with pytest.raises(StorageError, match="cannot write report"):
        write(report("two", view()), path / "inside-a-file.html")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


@pytest.mark.slow
def test_bytes_are_equal_in_another_process() -> None:
    program = (
        "from hostile_report import *; from stepward.reports.html import render; import hashlib; "
        "print(hashlib.sha256(render(drawn_report('a', hostile_view())).encode()).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


@pytest.mark.slow
def test_a_browser_runs_our_script_and_nothing_of_the_traces(tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium on PATH")
    path = write(drawn_report(HOSTILE.replace("pwned", "p"), hostile_view(), view()), tmp_path / "report.html")
    off = ("gpu", "quic", "background-networking", "component-update", "sync")
    flags = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{part}" for part in off)]
    flags += ["--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"]
    done = subprocess.run(
        [browser, *flags, f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    titles = re.findall(r"<title>(.*?)</title>", done.stdout, re.S)
    assert titles[0].startswith("&lt;/script&gt;")
    assert ">2 traces</output>" in done.stdout
    assert "<img" not in done.stdout
    assert "Content Security Policy" not in done.stderr and "Uncaught" not in done.stderr


def test_a_search_tree_is_told_in_numbers_and_its_chosen_path_in_words() -> None:
    hostile = "</script><script>alert(1)</script>\u202e\x00"
    nodes = (
        SearchNode(parent=None, text=""),
        SearchNode(parent=0, text="good step\n", score=0.9, chosen=True),
        SearchNode(parent=0, text=hostile, score=0.1, state="pruned", reason=hostile),
    )
    tree = TreeView(title=hostile, problem=hostile, nodes=nodes, facts=(hostile,))
    page = render(Report(title="t", headline=Table(title="h", columns=("a",), rows=((1,),)), trees=(tree,)))
    assert "alert(1)" in page and "<script>alert" not in page and page.count("<script") == 2
    assert page == render(Report(title="t", headline=Table(title="h", columns=("a",), rows=((1,),)), trees=(tree,)))
    numbers = json.loads(page.split('id="numbers">')[1].split("</script>")[0])
    assert [row[0] for row in numbers["trees"][0]] == [None, 0, 0]
    assert numbers["trees"][0][1][1:4] == ["good step\n", 0.9, 18] and numbers["trees"][0][2][4] == "pruned"
    told = page.split("<noscript><ol")[1].split("</ol>")[0]
    assert "good step" in told and "alert" not in told


@pytest.mark.parametrize("parents", [(0,), (None, None), (None, 1), (None, 0, 5)])
def test_a_tree_whose_parents_do_not_come_first_is_refused(parents: tuple[int | None, ...]) -> None:
    with pytest.raises(DataError, match="earlier parent"):
        TreeView(title="t", problem="p", nodes=tuple(SearchNode(parent=parent, text="x") for parent in parents))
