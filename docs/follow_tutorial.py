"""Follows docs/tutorial.md word by word: every command of it, against an installation of its own.

`--pictures FOLDER` also draws the pictures of the page, each at the point where the reader sees it. A run
differs from the page in three things: it uses this clone, its own folders and ports, and a signal for Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

TOP = Path(__file__).resolve().parents[1]
PAGE = TOP / "docs" / "tutorial.md"
_PART = re.compile(r"^```(\w*)\n(.*?)^```$|!\[[^\]]*\]\(pictures/(\w+)\.png\)", re.MULTILINE | re.DOTALL)
_BEGINS_UP = "insitu up"
_CLONES = "git clone"
_CLEARS = "rm -rf"
_PROMPT = "--- done"
_START_S = 150
_COMMAND_S = 120
SEEN = {"device": "/trials/station-dust/devices/sensor-1", "trial": "/trials/station-dust"}
"""Picture → what the browser shows; `report` is a file."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this run happens; the page names other folders and ports."""

    folder: Path
    http: str
    mqtt: str

    def environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("INSITU_")}
        return kept | {"INSITU_HTTP_LISTEN": self.http, "INSITU_MQTT_LISTEN": self.mqtt}

    def here(self, commands: str) -> str:
        """The commands of the page, with the folders of this run."""
        return commands.replace("/var/tmp/insitu-tutorial", str(self.folder / "state")).replace(
            "out/tutorial", str(self.folder / "work")
        )


def parts() -> Iterator[tuple[str, str]]:
    """('commands', text) and ('picture', name), in the order of the page."""
    for language, text, picture in _PART.findall(PAGE.read_text("utf-8")):
        if picture:
            yield "picture", picture
        elif not language:
            yield "commands", text


class Terminal:
    """A shell that stays open: what one block exports, the next one has."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash", "-e"],
            cwd=TOP,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, commands: str) -> str:
        """Returns the output of the commands. Ends the run if one of them fails."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        sys.stdout.write("".join(f"$ {line}\n" for line in commands.splitlines()))
        self._shell.stdin.write(f"{commands}\necho '{_PROMPT}'\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.strip() == _PROMPT:
                return "".join(lines)
            sys.stdout.write(line)
            lines.append(line)
        sys.exit("The command above failed: the tutorial is wrong here.")

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait()


@contextmanager
def installation(place: Place) -> Iterator[str]:
    """Runs `insitu up` as in the first terminal; yields the password of `lab`."""
    log = place.folder / "up.log"
    environment = place.environment() | {"INSITU_DATA_DIR": str(place.folder / "state")}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [TOP / ".venv" / "bin" / "insitu", "up"], stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    try:
        limit = time.monotonic() + _START_S
        while not (found := re.search(r"with the password (\S+)", log.read_text("utf-8"))):
            if process.poll() is not None or time.monotonic() > limit:
                sys.exit(f"It did not start:\n{log.read_text('utf-8')}")
            time.sleep(0.2)
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@contextmanager
def browser(address: str, password: str) -> Iterator[Page]:
    """Yields a page of a browser that is signed in as the lab, in English."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("Pictures need chromium (Debian: apt install chromium).")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = opened.new_context(viewport={"width": 1100, "height": 760}, locale="en-GB").new_page()
        page.goto(address)
        page.fill("input[name=login]", "lab")
        page.fill("input[name=password]", password)
        page.press("input[name=password]", "Enter")
        page.wait_for_selector("nav")
        page.click("button[name=language][value=en]")
        yield page
        opened.close()


def draw(page: Page, place: Place, name: str, to: Path) -> None:
    report = (place.folder / "work" / "report" / "report.html").as_uri()
    page.goto(f"http://{place.http}{SEEN[name]}" if name in SEEN else report)
    page.wait_for_selector("h1")
    page.wait_for_timeout(1500)  # charts draw
    page.screenshot(path=to / f"{name}.png")


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def snippet(said: str) -> str:
    """The lines below `--- curl`."""
    return said.partition("--- curl\n")[2].partition("\n\n")[0]


def follow(place: Place, page: Page | None, to: Path) -> None:
    """Types the commands of the second terminal: all blocks except clone, `insitu up` and clearing up."""
    terminal = Terminal(place.environment())
    try:
        for kind, text in parts():
            if kind == "picture":
                if page is not None:
                    draw(page, place, text, to)
            elif not any(word in text for word in (_CLONES, _BEGINS_UP, _CLEARS)):
                said = terminal.type(place.here(text))
                if "insitu enrol" in text:
                    act_as_the_device(terminal, snippet(said))
    finally:
        terminal.close()


def act_as_the_device(terminal: Terminal, curl: str) -> None:
    """Sends the snippet as it is, then with the wrong field, as the page asks."""
    assert '"stored":1' in terminal.type(f"{curl}; echo"), "the first message was not stored"
    wrong = terminal.type(f"{curl.replace('pm25', 'dust')} || echo 'nothing was stored'")
    assert "unknown_property" in wrong, "the wrong field was not refused"
    assert "nothing was stored" in wrong, "curl did not end with an error"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    to = parser.parse_args().pictures
    with tempfile.TemporaryDirectory(prefix="insitu-tutorial-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)  # started by root, the servers run as another account
        place = Place(Path(folder), free_address(), free_address())
        with installation(place) as password:
            if to is None:
                follow(place, None, Path())
            else:
                to.mkdir(parents=True, exist_ok=True)
                with browser(f"http://{place.http}", password) as page:
                    follow(place, page, to)
    print("The tutorial works as written.")


if __name__ == "__main__":
    main()
