"""Shipped mappings of common device families: data in `ingest/families`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ingest.mapping_entry import MappingEntry
from insitu.errors import NotFound

_FOLDER = Path(__file__).parent / "families"


class Family(BaseModel):
    """Mappings of the devices of one family, in the standard names of properties."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    title: str
    sent: str
    """How the payload comes: the codec, the topic."""
    source: str
    """Where the maker documents the payload."""
    local_time: bool = False
    """Its times have no offset: somebody has to say in which zone its clock is."""
    mapping: list[dict[str, Any]]

    @property
    def properties(self) -> list[str]:
        """Codes of the properties that its fields are, in order."""
        return list(dict.fromkeys(entry["property"] for entry in self.mapping if "property" in entry))

    def entries(
        self,
        trial: str,
        devices: str | Sequence[str],
        renamed: dict[str, str] | None = None,
        zone: str = "",
    ) -> list[MappingEntry]:
        """Its mappings for devices of a trial. `renamed`: property of the family → the installation's.
        `zone`: of its local times.
        """
        return [
            MappingEntry.model_validate(
                {
                    **entry,
                    **(
                        {"property": (renamed or {}).get(entry["property"], entry["property"])}
                        if "property" in entry
                        else {}
                    ),
                    **({"zone": zone} if zone and "time" in entry else {}),
                    "trial": trial,
                    "devices": devices,
                }
            )
            for entry in self.mapping
        ]


def families() -> list[Family]:
    """By name."""
    return [
        Family.model_validate({"name": path.stem, **tomllib.loads(path.read_text("utf-8"))})
        for path in sorted(_FOLDER.glob("*.toml"))
    ]


def family(name: str) -> Family:
    found = {one.name: one for one in families()}
    if name not in found:
        raise NotFound(f"There is no device family {name!r}; `insitu mappings` lists {', '.join(found)}.")
    return found[name]
