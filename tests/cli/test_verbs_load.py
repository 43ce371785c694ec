"""The module of each verb imports all it needs, whatever was imported before: the other tests call verbs in
forks of a program that has imported everything (tests/forked.py).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.verbs import VERBS

pytestmark = pytest.mark.nightly

TOP = Path(__file__).parents[2]
PROGRAM = """
import gc, importlib, os, sys, traceback
gc.disable()
import argon2, babel, bcrypt, cryptography.x509, fastapi, google.protobuf, jinja2, joserfc, msgspec
import numpy, paho.mqtt.client, prometheus_client, psycopg, psycopg_pool, pydantic, pydantic_settings
import python_multipart, rfc3161_client, rfc8785, rich.console, rich.progress, typer, typst, uvicorn
import asyncio, concurrent.futures, email.message, http.server, importlib.metadata, multiprocessing
import urllib.request
from cryptography.hazmat.primitives.asymmetric import ed25519
from psycopg import pq

for name in sys.argv[1:]:
    if os.fork() == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.wait()[1]:
        print(name)
"""


def test_each_verb_is_imported_by_itself() -> None:
    modules = sorted({verb.module for verb in VERBS.values()})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *modules], capture_output=True, text=True, cwd=TOP, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_module_that_lacks_something_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "cli.group", "tests.no_such_module"],
        capture_output=True,
        text=True,
        cwd=TOP,
        timeout=60,
    )
    assert done.stdout == "tests.no_such_module\n"
