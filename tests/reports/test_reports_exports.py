from pathlib import Path

from hostile_report import HOSTILE, drawn_report, figures, hostile_view, report

from stepward.reports.exports import crosstab_table, write_exports
from stepward.reports.model import CrossCell, Crosstab, Report, Section, Table

TABLE = Table(title="Step scores, at 1/2", columns=("a", "n"), rows=(("x", 0.5),))


def test_every_table_and_figure_becomes_files_named_after_its_title(tmp_path: Path) -> None:
    curve = figures("Best of n")[0]
    made = Report(title="t", headline=TABLE, sections=(Section(title="s", blocks=(curve, TABLE)),), cost=(TABLE,))
    written = {path.relative_to(tmp_path).as_posix() for path in write_exports(made, tmp_path)}
    tables = {f"tables/step-scores-at-1-2{n}.{end}" for n in ("", "-2", "-3") for end in ("csv", "md", "tex")}
    assert written == tables | {"figures/best-of-n.svg", "tables/best-of-n.csv"}
    assert (tmp_path / "figures" / "best-of-n.svg").read_text().startswith("<?xml")
    assert (tmp_path / "tables" / "step-scores-at-1-2.csv").read_text() == "a,n\nx,0.5\n"


def test_the_same_report_gives_the_same_bytes_and_hostile_titles_stay_in_the_folder(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(write_exports(drawn_report("../../" + HOSTILE, hostile_view()), tmp_path / name))
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert all(path.parent.parent == tmp_path / "a" for path in files[0])
    assert write_exports(report("../", hostile_view()), tmp_path)[0].name == "untitled.csv"


def test_a_crosstab_is_exported_as_its_counts() -> None:
    cells = ((CrossCell(count=3), CrossCell(count=1)), (CrossCell(count=0), CrossCell(count=2)))
    cross = Crosstab(title="x", row_names=("a", "b"), column_names=("c", "d"), cells=cells)
    assert crosstab_table(cross).rows == (("a", 3, 1), ("b", 0, 2))
