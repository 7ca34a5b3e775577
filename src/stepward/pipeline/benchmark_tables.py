"""A benchmark's result as tables of a report or a terminal."""

from __future__ import annotations

from stepward.evaluation.benchmarks.result import BenchmarkResult, Measure
from stepward.reports import model as page


def benchmark_section(result: BenchmarkResult) -> page.Section:
    """Every table, and above them what a reader must know: protocol, threshold, what compares and what does not."""
    return page.Section(title=result.benchmark, blocks=tuple(benchmark_tables(result)), note="\n".join(result.told()))


def benchmark_tables(result: BenchmarkResult) -> list[page.Table]:
    """One table for each run of groups that hold the same measures."""
    return [
        page.Table(
            title=result.benchmark if index == 0 else "",
            columns=sheet.columns,
            rows=tuple(tuple(_cell(cell) for cell in row) for row in sheet.rows),
        )
        for index, sheet in enumerate(result.table())
    ]


def _cell(cell: str | Measure) -> page.Cell:
    if isinstance(cell, str):
        return cell
    return None if cell.value is None else page.Estimate(value=cell.value, low=cell.low, high=cell.high)
