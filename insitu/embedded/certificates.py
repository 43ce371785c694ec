"""A local certificate authority and a server certificate signed by it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from insitu.errors import CorrectInput
from insitu.whole import write_whole

_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 397  # the longest validity that common clients accept


@dataclass(frozen=True, slots=True)
class TLS:
    """Files in PEM: the server's certificate and key, and the authority that clients trust."""

    cert: Path
    key: Path
    ca: Path


def issue(folder: Path, names: Sequence[str], *, owner: tuple[int, int] | None = None) -> TLS:
    """Issue a server certificate for `names` (DNS names and addresses), signed by the authority in `folder`,
    which is created at first use.

    `owner`: (uid, gid) that receives the certificates and the server's key, for root only. The authority's
    key stays ours.
    """
    if not names:
        raise CorrectInput("Name the hosts or addresses that the certificate is for.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    tls = TLS(folder / "server.crt", folder / "server.key", folder / "ca.crt")
    authority, authority_key = _authority(folder, owner)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_SERVER_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    write_whole(tls.key, _pem(key), mode=0o600, owner=owner)
    write_whole(tls.cert, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644, owner=owner)
    return tls


def fingerprint(ca: Path) -> str:
    """SHA-256 of a certificate, in pairs, as browsers show it."""
    digest = x509.load_pem_x509_certificate(ca.read_bytes()).fingerprint(hashes.SHA256())
    return ":".join(f"{byte:02X}" for byte in digest)


def _authority(
    folder: Path, owner: tuple[int, int] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    cert_path, key_path = folder / "ca.crt", folder / "ca.key"
    if cert_path.exists() and key_path.exists():
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CorrectInput(
                f"{key_path} is not a key that `insitu cert` made: name another folder with --to."
            )
        return x509.load_pem_x509_certificate(cert_path.read_bytes()), key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Insitu local authority")])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_whole(key_path, _pem(key), mode=0o600)
    write_whole(cert_path, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644, owner=owner)
    return certificate, key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
