"""Shared by all tests. Not covered anywhere: several machines, accelerators, Windows, network file systems."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small models: more threads wait for each other than they help
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
