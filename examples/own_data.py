"""One's own labelled solutions: write them, read them, judge a scorer on them.   python examples/own_data.py

The form is JSON lines with problem, steps and labels; `stepward train` and `stepward evaluate` read it too.
"""

import json
import tempfile
from pathlib import Path

from rich import print

import stepward
from stepward.datasets.native import NativeExamples
from stepward.datasets.reading import read
from stepward.reward_models.fake import ScriptedScorer

ROWS = [
    {"problem": "What is 2+2*3?", "answer": "8", "steps": ["2*3 = 6.", "2+6 = 8."], "labels": [1, 1]},
    {"problem": "What is 7-5?", "answer": "2", "steps": ["7-5 is 3.", "So 3."], "labels": [0, None]},
    {"problem": "What is 3*4+1?", "answer": "13", "steps": ["3*4 = 12.", "12+1 = 14."], "labels": [1, 0]},
]

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    reading = read(NativeExamples(), file)
print(str(reading.report))

scorer = ScriptedScorer(scores={"7-5 is 3.": 0.2, "12+1 = 14.": 0.4}, default=0.9)
print(stepward.evaluate(reading.items, model=scorer))
