"""The command line in bad surroundings: no room to write, foreign folders, other people's links."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
SPEAK = """
import os, sys
{first}
from cli.output import fail, say, warn
for _ in range(3):
    say("x" * 10_000)
    warn("y")
with open(sys.argv[1], "w") as file:
    file.write("went on")
fail("z", code=7)
"""
FULL = "full = os.open('/dev/full', os.O_WRONLY); os.dup2(full, 1); os.dup2(full, 2)"
CLOSED = "os.close(1); os.close(2)"
UNREAD = "r, w = os.pipe(); os.close(r); os.dup2(w, 1); os.dup2(w, 2)"


@pytest.mark.parametrize("first", [FULL, CLOSED, UNREAD], ids=["full disk", "closed", "nobody reads"])
def test_who_cannot_be_heard_goes_on(tmp_path: Path, first: str) -> None:
    program = [sys.executable, "-c", SPEAK.format(first=first), str(tmp_path / "went")]
    done = subprocess.run(program, cwd=TOP, timeout=60)
    assert (tmp_path / "went").read_text("utf-8") == "went on"
    assert done.returncode == 7


DEFECT = """
import sys
from cli import main
def fail(): raise TypeError("met by a test")
main.refuse_foreign_rooms = fail
main.main()
"""


def defect(folder: Path, data_dir: Path) -> str:
    environment = os.environ | {"TMPDIR": str(folder), "INSITU_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-c", DEFECT], cwd=TOP, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 70
    return done.stderr.split("Details: ")[1].strip()


def test_the_details_of_a_defect_follow_nobody_s_link(tmp_path: Path) -> None:
    """The name is random: nobody can guess it and put a link there beforehand."""
    names = {Path(defect(tmp_path, tmp_path / "none")) for _ in range(2)}
    assert len(names) == 2
    for path in names:
        assert path.parent == tmp_path
        assert path.stat().st_mode & 0o777 == 0o600
        assert "met by a test" in path.read_text("utf-8")
        assert len(path.stem) > len("insitu-defect-") + 7
        assert not path.stem.removeprefix("insitu-defect-").isdigit()


def test_the_details_of_defects_lie_in_the_data_directory_and_are_bounded(tmp_path: Path) -> None:
    logs = tmp_path / "data" / "logs"
    logs.mkdir(parents=True)
    for number in range(30):
        (logs / f"insitu-defect-{number}.txt").write_text("old", "utf-8")
        os.utime(logs / f"insitu-defect-{number}.txt", (number, number))
    path = Path(defect(tmp_path, tmp_path / "data"))
    assert path.parent == logs
    assert path.exists()
    assert len(list(logs.iterdir())) == 20


def test_a_folder_called_insitu_in_the_working_directory_is_named(tmp_path: Path) -> None:
    """This happens in the folder above a clone: Python takes the clone for the package."""
    (tmp_path / "insitu").mkdir()
    for path in (TOP / "insitu").iterdir():
        if path.name != "__init__.py":
            (tmp_path / "insitu" / path.name).symlink_to(path)
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "cli", "settings"],
        cwd=tmp_path,
        env=kept,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert f"takes {tmp_path / 'insitu'} for the package" in done.stderr.replace("\n", " ")
