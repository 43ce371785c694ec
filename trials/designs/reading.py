"""A protocol from text, refused where an endpoint states what its design cannot use."""

from __future__ import annotations

from trials.designs.registry import misfits
from trials.plan.positions import Lines
from trials.plan.protocol import Protocol
from trials.plan.reading import WrongProtocol, located, read_protocol


def read_for_designs(text: str, *, source: str = "protocol") -> Protocol:
    """As `read_protocol`, for a protocol that is not locked yet or comes from elsewhere."""
    protocol = read_protocol(text, source=source)
    found = [
        f"endpoints.{endpoint.name}.{problem}"
        for endpoint in protocol.endpoints
        for problem in misfits(endpoint)
    ]
    problems = list(located(found, Lines(text))) if found else []
    if problems:
        raise WrongProtocol(problems, "\n".join(one.told(source) for one in problems))
    return protocol
