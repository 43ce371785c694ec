"""Any change of any file: with the lab's key alone `verify` never ends with 0, also if it is sealed again."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.trials.package import forger
from tests.trials.package.conftest import Lab, is_settled

TABLES = ("observations.csv", "flags.csv", "rejects.csv", "surroundings.csv", "receipts.csv")
DOCUMENTS = ("catalogue.json", "evaluation.json", "protocol.json", "datapackage.json", "signature.json")
EXAMPLES = settings(
    max_examples=examples(quick=12, nightly=25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """A byte flipped, inserted or deleted, or two lines exchanged."""
    at = draw(st.integers(0, max(len(content) - 1, 0)))
    kind = draw(st.sampled_from(["flip", "insert", "delete", "exchange"]))
    if kind == "flip" and content:
        return content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
    if kind == "insert":
        return content[:at] + draw(st.binary(min_size=1, max_size=3)) + content[at:]
    if kind == "delete":
        return content[:at] + content[at + draw(st.integers(1, 40)) :]
    lines = content.split(b"\n")
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def nodes(document: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of each value in a JSON document."""
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    return [path for key, value in items for path in [(*where, key), *nodes(value, (*where, key))]]


@st.composite
def changed_document(draw: st.DrawFn, document: Any) -> Any:
    """A value replaced or deleted, or a key or item added."""
    document = json.loads(json.dumps(document))
    *above, key = draw(st.sampled_from(nodes(document)))
    holder = document
    for part in above:
        holder = holder[part]
    kind = draw(st.sampled_from(["replace", "delete", "add"]))
    value = draw(
        st.sampled_from([None, True, 0, -1, 1.5, "", "x", "2020-01-01T00:00:00Z", [], {}])
        | st.integers(-(10**6), 10**6)
        | st.floats(-1e6, 1e6)
    )
    if kind == "replace":
        holder[key] = value
    elif kind == "delete":
        del holder[key]
    elif isinstance(holder, dict):
        holder["more"] = value
    else:
        holder.insert(key, value)
    return document


@st.composite
def changed_table(draw: st.DrawFn, table: list[list[str]]) -> list[list[str]]:
    """A row deleted, repeated or moved, or a cell replaced."""
    table = [list(row) for row in table]
    at = draw(st.integers(0, len(table) - 1))
    kind = draw(st.sampled_from(["delete", "repeat", "move", "cell"]))
    if kind == "cell":
        cell = draw(st.sampled_from(["0", "1", "4", "1.0", "-0.0", "x", "'x", "", "2026-03-05T00:00:00Z"]))
        table[at][draw(st.integers(0, len(table[at]) - 1))] = cell
        return table
    row = table[at] if kind == "repeat" else table.pop(at)
    if kind != "delete":
        table.insert(draw(st.integers(0, len(table))), list(row))
    return table


class Copy:
    """A copy of the lab's package for one example."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._above = lab, tempfile.TemporaryDirectory()
        self.folder = Path(self._above.name) / "package"

    def __enter__(self) -> Path:
        return Path(shutil.copytree(self._lab.folder, self.folder))

    def __exit__(self, *_: object) -> None:
        self._above.cleanup()


def evaluate_if_possible(folder: Path) -> None:
    try:
        forger.evaluate_again(folder)
    except Exception:  # noqa: BLE001 - what cannot be computed cannot be forged in this way
        return


def seal_if_possible(folder: Path, key: Ed25519PrivateKey) -> None:
    try:
        forger.seal(folder, key)
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        forger.sign(folder, key)


@EXAMPLES
@given(st.data())
def test_changed_bytes_are_never_settled(lab: Lab, data: st.DataObject) -> None:
    """Sealed again by the lab itself, too: no two readers may see two things."""
    name = data.draw(st.sampled_from(sorted(path.name for path in lab.folder.iterdir())))
    content = (lab.folder / name).read_bytes()
    changed = data.draw(changed_bytes(content))
    assume(changed != content)
    with Copy(lab) as folder:
        (folder / name).write_bytes(changed)
        assert not is_settled(lab.verify(folder))
        if name not in ("catalogue.json", "signature.json", *TABLES[2:]):
            seal_if_possible(folder, lab.key)
            if (folder / "datapackage.json").read_bytes() != (lab.folder / "datapackage.json").read_bytes():
                assert not is_settled(lab.verify(folder))


@EXAMPLES
@given(st.data(), st.booleans(), st.booleans())
def test_a_changed_document_is_never_settled(
    lab: Lab, data: st.DataObject, again: bool, canonical: bool
) -> None:
    name = data.draw(st.sampled_from(DOCUMENTS))
    document = forger.read(lab.folder / name)
    changed = data.draw(changed_document(document))
    assume(json.dumps(changed, sort_keys=True) != json.dumps(document, sort_keys=True))
    with Copy(lab) as folder:
        (folder / name).write_bytes(rfc8785.dumps(changed) if canonical else forger.indented(changed))
        if again:
            evaluate_if_possible(folder)
        if name != "signature.json":
            seal_if_possible(folder, Ed25519PrivateKey.generate())
        assert not is_settled(lab.verify(folder))


@EXAMPLES
@given(st.data(), st.booleans())
def test_a_changed_table_is_never_settled(lab: Lab, data: st.DataObject, again: bool) -> None:
    name = data.draw(st.sampled_from(TABLES))
    table = forger.rows(lab.folder, name)
    changed = data.draw(changed_table(table))
    assume(changed != table)
    with Copy(lab) as folder:
        forger.put_rows(folder, changed, name)
        if again:
            evaluate_if_possible(folder)
        seal_if_possible(folder, Ed25519PrivateKey.generate())
        assert not is_settled(lab.verify(folder))
        if name in TABLES[:2]:
            seal_if_possible(folder, lab.key)
            assert not is_settled(lab.verify(folder))


def test_a_copy_without_a_change_is_always_settled(lab: Lab) -> None:
    with Copy(lab) as folder:
        assert is_settled(lab.verify(folder))
        forger.seal(folder, lab.key)
        assert is_settled(lab.verify(folder))
