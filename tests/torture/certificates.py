"""Certificates for the torture server, sound and bad, made for each run."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "sms.localhost"
_NOW = datetime.now(UTC)
_DAY = timedelta(days=1)


class Certificates:
    """Contexts for the server by name, and the file that a client trusts."""

    def __init__(self, folder: Path) -> None:
        names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        pairs = {
            "sound": _pair(names),
            "expired": _pair(names, until=_NOW - _DAY),
            "of another host": _pair([x509.DNSName("another.example")]),
            "untrusted": _pair(names),
        }
        self.contexts: dict[str, ssl.SSLContext] = {}
        for name, (key, certificate) in pairs.items():
            path = folder / f"{name}.pem"
            path.write_bytes(key + certificate)
            self.contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.contexts[name].load_cert_chain(path)
        self.trusted = folder / "trusted.pem"
        self.trusted.write_bytes(
            b"".join(certificate for name, (_, certificate) in pairs.items() if name != "untrusted")
        )


def _pair(names: list[x509.GeneralName], until: datetime = _NOW + _DAY) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "smsbridge torture")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - 10 * _DAY)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded, certificate.public_bytes(serialization.Encoding.PEM)
