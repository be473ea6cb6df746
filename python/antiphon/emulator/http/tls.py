"""A certificate for the local server, made on the spot, and what clients need to trust it.

The authority lives as long as the server. Its key never leaves the memory, so nobody can make
another certificate that clients would trust.
"""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from pathlib import Path
from typing import Any

from antiphon.errors import ConnectError

__all__ = ["Tls"]

#: Who the server can be taken for: itself, and the hosts that clients have built in.
_NAMES = (
    *("localhost", "127.0.0.1", "::1"),
    *("generativelanguage.googleapis.com", "firebasevertexai.googleapis.com"),
    *("aiplatform.googleapis.com", "*.aiplatform.googleapis.com"),
)
_TRUST_STORE_PASSWORD = "changeit"  # noqa: S105 - Java's default; certificates are no secret


class Tls:
    """An authority, a certificate, and the files by which clients trust it.

    Args:
        host: Where the server listens: a name or an address, added to the usual ones.
        folder: Where the files go; None: a temporary folder, removed by `close`.

    Attributes:
        ca_file: The authority's certificate (PEM), for ``SSL_CERT_FILE`` and
            ``NODE_EXTRA_CA_CERTS``.
        trust_store: The same for Java: a PKCS #12 file; its password is ``changeit``.
        trust_store_password: That password.

    Raises:
        ConnectError: The package ``trustme`` is missing, or the files cannot be written.
    """

    trust_store_password = _TRUST_STORE_PASSWORD

    def __init__(self, host: str = "127.0.0.1", folder: Path | None = None) -> None:
        trustme = _trustme()
        self._temporary = None
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="antiphon-tls-")
            folder = Path(self._temporary.name)
        self.ca_file = folder / "antiphon-ca.pem"
        self.trust_store = folder / "antiphon-ca.p12"
        authority = trustme.CA(organization_name="antiphon local server")
        certificate = authority.issue_cert(*_NAMES, *([] if _is_usual(host) else [host]))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """For a server that listens."""
        certificate.configure_cert(self.context)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.ca_file.write_bytes(authority.cert_pem.bytes())
            self.trust_store.write_bytes(_java_trust_store(authority.cert_pem.bytes()))
        except OSError as error:
            self.close()
            raise ConnectError(
                f"The certificate cannot be written to {folder}: {error.strerror}. Choose "
                "another folder.",
                cause="tls",
            ) from error

    def client_context(self) -> ssl.SSLContext:
        """For a client of this process: trusts this server, and no other."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def close(self) -> None:
        """Remove the temporary files."""
        if self._temporary is not None:
            self._temporary.cleanup()


def _trustme() -> Any:
    try:
        import trustme
    except ImportError as error:
        raise ConnectError(
            "TLS for the local server needs the package trustme, which is not installed. For "
            "that: pip install 'antiphon[tls]'.",
            cause="tls",
            hint="pip install 'antiphon[tls]'",
        ) from error
    return trustme


def _java_trust_store(pem: bytes) -> bytes:
    """Java trusts an entry of a PKCS #12 file only if it carries Java's own mark."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    certificate = pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(pem), b"antiphon")
    password = BestAvailableEncryption(_TRUST_STORE_PASSWORD.encode())
    return pkcs12.serialize_java_truststore([certificate], password)


def _is_usual(host: str) -> bool:
    """Whether the certificate names it anyway, or cannot: an address for every interface."""
    try:
        return ipaddress.ip_address(host).is_unspecified or host in _NAMES
    except ValueError:
        return host in _NAMES
