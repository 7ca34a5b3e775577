"""Score the steps of one solution.   python examples/score_a_trace.py [MODEL_FOLDER]

Without a model folder a scripted scorer stands in, so the example runs anywhere; `stepward quickstart`
makes a real one in runs/quickstart/prm/model.
"""

import sys

from rich import print

import stepward
from stepward.reward_models.fake import ScriptedScorer

PROBLEM = "Ann has 12 coins. Ben has 5 more coins than Ann. How many coins does Ben have?"
SOLUTION = "Ben has 12 + 5 = 18 coins.\nThe answer is 18.\n"
STAND_IN = ScriptedScorer(scores={"Ben has 12 + 5 = 18 coins.": 0.08, "The answer is 18.": 0.05})

result = stepward.score(PROBLEM, SOLUTION, model=sys.argv[1] if len(sys.argv) > 1 else STAND_IN, segmenter="newline")
print(result)
print("first likely error: step", result.likely_error)
