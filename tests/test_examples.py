import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "combine_scores.py": "tau = 0.35: 255 of 300 answered, 8.3% of the problems wrong",
    "new_labeler.py": "[1.0, 0.0, None]",
    "new_search.py": "17 after 2 traces",
    "new_segmenter.py": "2 'Done.\\n'",
    "own_data.py": "3 rows, 3 records",
    "score_a_trace.py": "first likely error: step 0",
}


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", sorted(SAYS))
def test_example(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = EXAMPLES / name
    assert len(path.read_text().splitlines()) < 60
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out
