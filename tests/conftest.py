"""Shared by all tests. Not covered anywhere: several machines, accelerators, Windows, network file systems."""

import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small models: more threads wait for each other than they help
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"

gc.set_threshold(50_000, 20, 20)  # the default looks for cycles after 700 objects: a twelfth of the suite


def pytest_collection_finish() -> None:
    gc.freeze()  # what was imported lives to the end and need not be looked through again
