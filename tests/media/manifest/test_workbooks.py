"""Manifests in workbooks: what a spreadsheet writes, what it writes wrong, and bombs."""

import datetime
import logging
import zipfile
from pathlib import Path

import openpyxl
import pytest

from framegate.media.manifest import manifest_rows
from framegate.media.manifest.manifest import Clip, ManifestError, read_manifest
from framegate.media.manifest.tables import table, workbook


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clips.xlsx"


def write(path: Path, *rows: list[object], sheets: int = 1) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for _ in range(sheets - 1):
        book.create_sheet().append(["id", "title"])
    book.save(path)
    return path


def replace_in(path: Path, part: str, old: str, new: str) -> None:
    """Rewrite a part of a workbook, as another program may have written it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def problem(path: Path) -> str:
    with pytest.raises(ManifestError) as error:
        read_manifest(path)
    (only,) = error.value.problems
    assert len(only) < 300
    return only.removeprefix(f"{path}:")


def only_clip(path: Path) -> Clip:
    (clip,) = read_manifest(path)
    return clip


def test_a_workbook_reads_as_csv_does(path: Path) -> None:
    day = datetime.datetime(2024, 5, 1)
    write(
        path,
        ["ID ", "Title", "start", "end", "on", "at", None, None],
        [1.0, "two\nlines", 0.5, 2, day, day.replace(hour=9), None, " "],
        [None, None, None, None, None, None],
        [],
        ["b", 7, None, None, None, None],
    )
    first, second = read_manifest(path)
    assert (first.id, first.title, first.start, first.end, first.line) == ("1", "two\nlines", 0.5, 2.0, 2)
    assert first.extra == {"on": "2024-05-01", "at": "2024-05-01 09:00:00"}
    assert (second.id, second.title, second.line) == ("b", "7", 5)


def test_the_first_sheet_is_read_and_others_are_told_of(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, ["id", "title"], ["a", "t"], sheets=3)
    with caplog.at_level(logging.WARNING):
        assert only_clip(path).id == "a"
    assert "only its first sheet 'Sheet' of 3 is read" in caplog.text


def test_no_cell_is_lost_where_the_sheet_states_a_wrong_size(path: Path) -> None:
    write(path, ["id", "title"], ["a", "t"])
    replace_in(path, "xl/worksheets/sheet1.xml", 'ref="A1:B2"', 'ref="A1"')
    assert only_clip(path).title == "t"


def test_a_formula_has_its_last_value_and_without_one_is_an_error(path: Path) -> None:
    write(path, ["id", "title"], ["a", '="x"&"y"'])
    assert problem(path).startswith("2: column 'title' holds a formula without its value: open and save")
    replace_in(path, "xl/worksheets/sheet1.xml", "<v /></c>", "<v>xy</v></c>")
    replace_in(path, "xl/worksheets/sheet1.xml", 'r="B2"', 'r="B2" t="str"')
    assert only_clip(path).title == "xy"


def test_an_error_in_a_cell_is_an_error_of_its_row(path: Path) -> None:
    write(path, ["id", "title"], ["a", "#REF!"])
    assert problem(path) == "2: column 'title' holds the error #REF!: mend the cell"


def test_a_carriage_return_that_excel_spells_out_is_one(path: Path) -> None:
    write(path, ["id", "title"], ["a", "x_x000D_\ny"])
    assert only_clip(path).title == "x\r\ny"


def test_the_first_bytes_tell_a_workbook_whatever_its_name(path: Path, tmp_path: Path) -> None:
    write(path, ["id", "title"], ["a", "t"])
    assert only_clip(path.rename(tmp_path / "clips.csv")).title == "t"
    path.write_text("id,title\na,t\n")
    assert "save it as .xlsx without a password" in problem(path)
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000))
    assert "a workbook with a password, or of an old kind" in problem(tmp_path / "old.xls")


def test_a_damaged_workbook_is_one_plain_error(path: Path) -> None:
    whole = write(path, ["id", "title"], ["a", "t"]).read_bytes()
    for content in (whole[: len(whole) // 2], whole[:30], b"PK\x03\x04"):
        path.write_bytes(content)
        assert "not a whole .xlsx workbook" in problem(path)
    path.write_bytes(whole)
    replace_in(path, "xl/worksheets/sheet1.xml", "<sheetData>", "<sheetData")
    assert "save it again" in problem(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_rows, "_LIMITS", table.TableLimits(max_bytes=5 * 1024**2, advice="split it"))
    write(path, ["id", "title"], ["a", "t"])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/big.xml", b" " * 6 * 1024**2)
    assert path.stat().st_size < 1024**2
    assert problem(path) == " unpacked, more than 5 MB: split it"


def test_entities_are_refused(path: Path) -> None:
    write(path, ["id", "title"], ["a", "t"])
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><worksheet'
    replace_in(path, "xl/worksheets/sheet1.xml", "<worksheet", bomb)
    assert "is no plain XML" in problem(path)


@pytest.mark.parametrize("row", ["999999999", "1001"])
def test_rows_beyond_what_a_sheet_may_have_end_the_reading(
    path: Path, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "_MAX_ROWS", 1000)
    write(path, ["id", "title"], ["a", "t"])
    replace_in(path, "xl/worksheets/sheet1.xml", '<row r="2">', f'<row r="{row}">')
    replace_in(path, "xl/worksheets/sheet1.xml", 'r="A2"', f'r="A{row}"')
    replace_in(path, "xl/worksheets/sheet1.xml", 'r="B2"', f'r="B{row}"')
    assert "more than 1000 rows" in problem(path)


def test_cells_far_to_the_right_fill_no_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "_MAX_CELLS", 10_000)
    write(path, ["id", "title"], ["a", "t"])
    replace_in(path, "xl/worksheets/sheet1.xml", 'r="B2"', 'r="XFD2"')
    assert "more than 1048576 rows or 10000 cells" in problem(path)
