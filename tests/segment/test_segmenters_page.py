import doctest
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "segmenters.md"
FLAGS = doctest.ELLIPSIS


def test_the_examples_on_the_page_are_true() -> None:
    page = PAGE.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {}, PAGE.name, str(PAGE), 0)
    report: list[str] = []
    assert len(test.examples) > 15
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append).failed == 0, "".join(report)
