"""An averaging scale is named when a property is registered: what silence gets, and how an installation that
was filled by an earlier version is put right.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from insitu.errors import CorrectInput
from insitu.model import AveragingScale
from store.catalogue.properties import list_properties
from store.database import Connection
from tests.cli.calling import Told

LEVEL = """
[[property]]
code = "{code}"
name = {{ en = "Level", fr = "Niveau" }}
unit = "{unit}"
{line}
"""
ENERGETIC = 'averaging_scale = "energetic"'


def programme(folder: Path, *, code: str = "laeq", unit: str = "dB", line: str = "") -> str:
    path = folder / "level.toml"
    path.write_text(LEVEL.format(code=code, unit=unit, line=line), "utf-8")
    return str(path)


def scales(conn: Connection) -> dict[str, AveragingScale]:
    conn.rollback()
    return {one.code: one.averaging_scale for one in list_properties(conn)}


def silent(conn: Connection, code: str, unit: str) -> None:
    """As an earlier version entered a property without a word."""
    conn.execute(
        "INSERT INTO observed_property (code, name, unit) VALUES (%s, '{}', %s)",
        (code, unit),
    )
    conn.commit()


def test_silence_about_a_level_is_refused_with_the_line_to_add(
    told_here: Told, conn: Connection, tmp_path: Path
) -> None:
    path = programme(tmp_path)
    with pytest.raises(CorrectInput) as refused:
        told_here("register", path)
    assert str(refused.value) == (
        f"{path}:\n  property.0: laeq is in dB, a level, and names no averaging scale. Add the line "
        'averaging_scale = "energetic" to its [[property]]; or averaging_scale = "arithmetic" for a '
        "difference of levels, such as an attenuation."
    )
    assert "laeq" not in scales(conn)
    assert "entered property laeq" in told_here("register", programme(tmp_path, line=ENERGETIC))
    assert scales(conn)["laeq"] is AveragingScale.ENERGETIC


def test_nothing_of_a_file_with_a_wrong_property_is_entered(
    told_here: Told, conn: Connection, tmp_path: Path
) -> None:
    both = Path(programme(tmp_path, line=ENERGETIC)).read_text("utf-8") + LEVEL.format(
        code="wind", unit="deg", line=""
    )
    (tmp_path / "both.toml").write_text(both, "utf-8")
    with pytest.raises(CorrectInput, match=r'property\.1: wind is in deg.*averaging_scale = "circular"'):
        told_here("register", str(tmp_path / "both.toml"))
    assert not {"laeq", "wind"} & set(scales(conn))


def test_a_level_of_an_earlier_version_gets_its_scale_by_the_same_line(
    told_here: Told, conn: Connection, tmp_path: Path
) -> None:
    silent(conn, "laeq", "dB")
    with pytest.raises(CorrectInput, match="Add the line"):
        told_here("register", programme(tmp_path))
    assert scales(conn)["laeq"] is AveragingScale.ARITHMETIC
    told = told_here("register", programme(tmp_path, line=ENERGETIC))
    assert "averaging scale energetic, where there was none; evaluate its trials again" in told
    assert scales(conn)["laeq"] is AveragingScale.ENERGETIC
    assert conn.execute("SELECT action, subject FROM audit ORDER BY at DESC LIMIT 1").fetchone() == (
        "name scale",
        "laeq",
    )
    assert "there   property laeq" in told_here("register", programme(tmp_path, line=ENERGETIC))


@pytest.mark.parametrize(
    ("code", "unit", "line"),
    [("pm", "ug/m3", 'averaging_scale = "sum"'), ("laeq", "dB", 'averaging_scale = "arithmetic"')],
)
def test_no_other_change_of_a_scale_is_made(
    told_here: Told, conn: Connection, tmp_path: Path, code: str, unit: str, line: str
) -> None:
    silent(conn, code, unit)
    if unit == "dB":
        told_here("register", programme(tmp_path, line=ENERGETIC))
    before = scales(conn)[code]
    with pytest.raises(CorrectInput, match=f"{code} is registered with the averaging scale {before}"):
        told_here("register", programme(tmp_path, code=code, unit=unit, line=line))
    assert scales(conn)[code] is before


# -- a street whose levels are known

LATE = re.compile(r"warning: The protocol was locked on .*, after the reporting period had ended on .*\n")


def noise_case() -> Path:
    """`shared/cases/trials/noise` beside the repository or above it; skips if there is none."""
    above = [parent / "shared" / "cases" / "trials" / "noise" for parent in Path(__file__).resolve().parents]
    found = next((path for path in above if path.is_dir()), None)
    if found is None:
        pytest.skip("the cases with a known truth are not beside the repository")
    return found


def test_the_street_at_64_8_db_is_refused_until_its_scale_is_named_and_then_not_met(
    told_here: Told, conn: Connection, tmp_path: Path
) -> None:
    folder = tmp_path / "noise"
    shutil.copytree(noise_case(), folder)
    path = folder / "programme.toml"
    with pytest.raises(CorrectInput, match="Add the line averaging_scale"):
        told_here("register", str(path))
    text = path.read_text("utf-8")
    path.write_text(text.replace('unit = "dB"\n', f'unit = "dB"\n{ENERGETIC}\n', 1), "utf-8")
    told = evaluated_street(told_here, folder, path)
    assert "not_met" in told
    assert "mean: 64.79 " in told


def test_a_street_that_an_earlier_version_measured_without_a_scale_is_not_judged_until_it_has_one(
    told_here: Told, conn: Connection, tmp_path: Path
) -> None:
    folder = tmp_path / "noise"
    shutil.copytree(noise_case(), folder)
    path = folder / "programme.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace('unit = "dB"\n', f'unit = "dB"\n{ENERGETIC}\n', 1), "utf-8")
    evaluated_street(told_here, folder, path)
    conn.execute("UPDATE observed_property SET averaging_scale = 'arithmetic' WHERE code = 'laeq'")
    conn.commit()  # as it was before the scale had a name
    told = told_here("evaluate", "noise")
    assert "noise: not_evaluable" in told
    assert "laeq is in dB and would be averaged arithmetically: register it" in told
    told_here("register", str(path))
    with pytest.raises(CorrectInput, match="do not follow from the facts as they are now"):
        told_here("export", "noise", "--to", str(tmp_path / "package"))
    assert "noise: not_met" in told_here("evaluate", "noise")


def evaluated_street(told_here: Told, folder: Path, path: Path) -> str:
    told_here("register", str(path))
    for state in ("shortlisted", "agreement", "deployment", "running"):
        told_here("move", "noise", state, err=re.compile(r"(open in the agreement: .*\n)?"))
    told_here("import", str(folder / "noise.csv"), "--trial", "noise", "--device", "mic")
    told_here("lock", str(folder / "protocol.json"), err=LATE)
    return told_here("evaluate", "noise")
