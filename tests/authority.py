"""A certificate authority for tests: real X.509, made when it is needed, written nowhere but where a test says."""

import datetime
import ipaddress
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


class Authority:
    """One self-signed root."""

    def __init__(self, name: str = "test root") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        builder = self._builder(self._name, self._key, 30)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = builder.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + days * DAY)
        )

    def pem(self) -> bytes:
        """The root's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *names: str, days: int = 30) -> tuple[bytes, bytes]:
        """A certificate and its key for host names and addresses, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        builder = self._builder(_name(names[0]), key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), _pem(key)

    def write(self, folder: pathlib.Path, stem: str, *names: str, days: int = 30) -> None:
        """Writes `STEM.crt`, and `STEM.key` for its owner only. Neither is ever half there."""
        certificate, key = self.issue(*names, days=days)
        replace_file(folder / f"{stem}.key", key, 0o600)
        replace_file(folder / f"{stem}.crt", certificate, 0o644)

    def server(self, folder: pathlib.Path, stem: str, clients: "Authority | None" = None) -> ssl.SSLContext:
        """A server's context with a certificate of this root; one that asks clients for theirs, if `clients` issues them."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{stem}.crt", folder / f"{stem}.key")
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=clients.pem().decode())
        return context

    def client(self, folder: pathlib.Path | None = None, stem: str = "") -> ssl.SSLContext:
        """A client's context that trusts this root and nobody else; with a certificate of its own if a folder is given."""
        context = ssl.create_default_context(cadata=self.pem().decode())
        context.set_alpn_protocols(["http/1.1"])
        if folder is not None:
            context.load_cert_chain(folder / f"{stem}.crt", folder / f"{stem}.key")
        return context


def replace_file(path: pathlib.Path, content: bytes, mode: int) -> None:
    """Puts a file in place of another, as programs that renew certificates do."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.rename(path)
