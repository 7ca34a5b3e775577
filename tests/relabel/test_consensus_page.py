import doctest
import re
from pathlib import Path

from stepward import registry
from stepward.pipeline.runner import Recipe
from stepward.yaml_text import parse

PATH = Path(__file__).parents[2] / "docs" / "consensus.md"
PAGE = PATH.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_examples_on_the_page_are_true() -> None:
    test = doctest.DocTestParser().get_doctest("\n".join(blocks("python")), {}, PATH.name, str(PATH), 0)
    report: list[str] = []
    assert len(test.examples) > 15
    assert doctest.DocTestRunner().run(test, out=report.append).failed == 0, "".join(report)


def test_the_recipe_on_the_page_is_one() -> None:
    (block,) = blocks("yaml")
    recipe = Recipe.of(parse(block, "the page"))  # type: ignore[arg-type]
    assert recipe.sources["agreed"] == "rollouts"


def test_every_rule_and_every_relabeler_of_this_kind_stands_on_the_page() -> None:
    """Relative labels, calibration and back-up have pages of their own."""
    ours = list(registry.names("consensus"))
    places = ("filters", "posterior", "chance", "after_error", "propagation")
    for (kind, name), path in registry.TABLE.items():
        if kind == "relabeler" and path.split(".")[2].partition(":")[0] in places:
            ours.append(name)
    assert len(ours) > 15
    assert not [name for name in ours if f"`{name}`" not in PAGE]
