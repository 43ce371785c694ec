"""Servers of one's own, set up as in deploy/: real programs and real accounts, with paths and ports moved
into a folder of the test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.forked import run_verb
from tests.stack import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
INSITU = [sys.executable, "-m", "cli"]


def bare_environment(**more: str) -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("INSITU_")} | more


def insitu(*arguments: str, expect: int = 0, prefix: Sequence[str] = (), **environment: str) -> str:
    """Output of a verb, which must end with the exit code `expect`."""
    env = bare_environment(**environment)
    if prefix:
        command = [*prefix, *INSITU, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    else:
        done = run_verb(*arguments, env=env)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended when the block ends; `log` holds its output."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            list(command), stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def as_account(name: str) -> list[str]:
    """Prefix that starts a program like systemd's User= does: the account, its group, no other groups, and no
    way back.
    """
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups", "--no-new-privs"]


def program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def says(log: Path, words: str) -> bool:
    return log.exists() and words in log.read_text("utf-8", "replace")


def send(port: int, ca: Path, username: str, token: str, topic: str, content: object) -> None:
    """Publishes as a device over TLS; returns when the broker has acknowledged it."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, username.replace(".", ":"))
    client.username_pw_set(username, token)
    client.tls_set(ca_certs=str(ca))
    refused, connected = [], threading.Event()
    client.on_connect = lambda _c, _d, _f, code, _p: (
        refused.append(code) if code.is_failure else None,
        connected.set(),
    )
    client.connect("localhost", port)
    client.loop_start()
    try:
        wait_until(connected.is_set, "an answer of the broker", 10)
        assert not refused, refused
        client.publish(topic, json.dumps(content), qos=1).wait_for_publish(10)
    finally:
        client.disconnect()
        client.loop_stop()
