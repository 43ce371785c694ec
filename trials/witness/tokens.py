"""Time-stamp tokens (RFC 3161): asking for one, and checking one against trusted roots; no network."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from insitu.errors import CorrectInput, InsituError

_CERTIFICATES: Final = 0xA0
"""Tag of the certificates of a SignedData."""


class Untrusted(InsituError):
    """The token proves nothing: ask another authority."""


@dataclass(frozen=True, slots=True)
class Request:
    """`content` is DER; `nonce` must come back."""

    content: bytes
    nonce: int


def make_request(message: bytes) -> Request:
    """A request over the SHA-256 of `message`, for a token with its certificates."""
    built = (
        TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).nonce(nonce=True).build()
    )
    nonce = built.nonce
    assert nonce is not None  # it was asked for
    return Request(built.as_bytes(), nonce)


_NO_TOKEN: Final = (
    ValueError,
    TypeError,
    OverflowError,
    IndexError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    InvalidSignature,
    UnsupportedAlgorithm,
)
"""Errors of the libraries for bytes that are no token."""


def check_token(
    token: bytes, message: bytes, roots: Sequence[x509.Certificate], *, nonce: int | None = None
) -> datetime:
    """The time that an authority below one of the `roots` vouches for. Raises Untrusted if the token is not
    one over `message`, has another nonce, or its certificates were not valid at that time.
    """
    if not roots:
        raise Untrusted("There is no root certificate to check the token against.")
    try:
        response = decode_timestamp_response(sort_certificates(token))
        if response.status != PKIStatus.GRANTED:
            reason = "; ".join(response.status_string) or f"status {response.status}"
            raise Untrusted(f"The authority refused the request ({reason}).")
        VerifierBuilder(roots=list(roots), nonce=nonce).build().verify_message(response, message)
        vouched = response.tst_info.gen_time
    except VerificationError as error:
        raise Untrusted(f"The token cannot be trusted: {error}.") from error
    except _NO_TOKEN as error:
        raise Untrusted(f"This is no time-stamp token ({error}).") from error
    return vouched if vouched.tzinfo else vouched.replace(tzinfo=UTC)


def load_roots(path: Path | None) -> list[x509.Certificate]:
    """The certificates of a PEM file, or those that this system trusts. CorrectInput names a file that cannot
    be read.
    """
    if path is None:
        return _system_roots()
    try:
        return _parse(lambda: x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise CorrectInput(f"Cannot read {path} ({error.strerror}).") from error
    except ValueError as error:
        raise CorrectInput(f"{path} holds no certificates in PEM form ({error}).") from error


def _system_roots() -> list[x509.Certificate]:
    found = []
    for der in ssl.create_default_context().get_ca_certs(binary_form=True):
        with suppress(ValueError):
            found += _parse(partial(_load_der, der))
    return found


def _load_der(der: bytes) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(der)]


def _parse(load: Callable[[], list[x509.Certificate]]) -> list[x509.Certificate]:
    """Without warnings: old roots have serial numbers that the standard forbids today."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load()


def sort_certificates(response: bytes) -> bytes:
    """The response with its certificates in the order of their bytes, as DER demands of a SET.

    OpenSSL's authorities put the signer's first, which strict readers refuse. The signature does not cover
    the certificates. ValueError if the bytes are no response with a token.
    """
    start, _ = _content(response, 0)  # TimeStampResp
    place = _after(response, start)  # past PKIStatusInfo
    if place >= len(response):
        return response  # a refusal has no token
    place = _after(response, _content(response, place)[0])  # ContentInfo, past its type
    place = _content(response, _content(response, place)[0])[0]  # [0], SignedData
    for _ in range(3):  # version, digest algorithms, content
        place = _after(response, place)
    if response[place] != _CERTIFICATES:
        return response
    start, end = _content(response, place)
    certificates = []
    at = start
    while at < end:
        certificates.append(response[at : _after(response, at)])
        at = _after(response, at)
    return response[:start] + b"".join(sorted(certificates)) + response[end:]


def _content(der: bytes, place: int) -> tuple[int, int]:
    """Where the content of the value at `place` begins and ends."""
    try:
        size, start = der[place + 1], place + 2
    except IndexError:
        raise ValueError("it ends too early") from None
    if size > 127:
        start += size - 128
        size = int.from_bytes(der[place + 2 : start])
    if start + size > len(der):
        raise ValueError("it ends too early")
    return start, start + size


def _after(der: bytes, place: int) -> int:
    return _content(der, place)[1]


def name_of_signer(token: bytes) -> str:
    """The subject of the certificate that signed a token which `check_token` has accepted."""
    signed = decode_timestamp_response(sort_certificates(token)).signed_data
    certificates = [x509.load_der_x509_certificate(der) for der in signed.certificates]
    for info in signed.signer_infos:
        for one in certificates:
            if (one.issuer, one.serial_number) == (info.issuer, info.serial_number):
                return one.subject.rfc4514_string()
    return "an authority without a certificate"
