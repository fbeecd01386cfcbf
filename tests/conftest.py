"""Tests run offline on one thread; the long ones run with ``--all`` and in CI."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import pytest

LONG = {"browser", "notebook", "training", "slow"}


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="also run the browser, notebook, training and slow tests")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--all") or os.environ.get("CI") == "true":
        return
    for item in items:
        marks = LONG.intersection(mark.name for mark in item.iter_markers())
        if marks:
            item.add_marker(pytest.mark.skip(reason=f"{', '.join(sorted(marks))}: run with --all"))
