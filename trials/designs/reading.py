"""Reads a protocol from text, and refuses an endpoint that its design cannot use."""

from __future__ import annotations

from trials.designs.registry import misfits
from trials.plan.positions import Lines
from trials.plan.protocol import Protocol
from trials.plan.reading import WrongProtocol, located, read_protocol


def read_for_designs(text: str, *, source: str = "protocol") -> Protocol:
    """`read_protocol`, for a protocol that is not locked yet or comes from elsewhere."""
    protocol = read_protocol(text, source=source)
    lines = [
        f"endpoints.{endpoint.name}.{problem}"
        for endpoint in protocol.endpoints
        for problem in misfits(endpoint)
    ]
    if lines:
        problems = list(located(lines, Lines(text)))
        raise WrongProtocol(problems, "\n".join(problem.told(source) for problem in problems))
    return protocol
