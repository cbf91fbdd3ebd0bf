"""A stand-in for the two endpoints where a Kubernetes API server tells its keys: HTTPS, by a CA of its own, with a token."""

import datetime
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.jwts import SigningKey, rsa_key, signed

DAY = datetime.timedelta(days=1)
KEYS, DOCUMENT = "/openid/v1/jwks", "/.well-known/openid-configuration"


class StandInCluster:
    """Signs tokens as an API server does, and tells its keys to whoever brings the token that is in `token_file`."""

    issuer = "https://kubernetes.default.svc.cluster.local"

    def __init__(self, folder: Path) -> None:
        self.key: SigningKey = rsa_key("cluster-one")
        self.token_file = folder / "pod-token"
        self.ca_file = folder / "cluster-ca.crt"
        self.token_file.write_text("the-token-of-our-pod\n")
        self.asked: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificates(folder, self.ca_file))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def token(self, namespace: str, name: str, audience: str = "taskscope", seconds: float = 3600, **others: Any) -> str:
        """As `kubectl create token NAME -n NAMESPACE --audience AUDIENCE` makes it."""
        now = int(time.time())
        bound = {"namespace": namespace, "serviceaccount": {"name": name, "uid": "7d3c4c5e"}}
        claims = {
            "aud": [audience],
            "exp": now + int(seconds),
            "iat": now - 4000,
            "iss": self.issuer,
            "jti": "1b2c",
            "kubernetes.io": bound,
            "nbf": now - 4000,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        return signed(self.key, {**claims, **others})

    def _answer(self, path: str, said: str | None) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if said != f"Bearer {self.token_file.read_text().strip()}":
            return 401, {"kind": "Status", "status": "Failure", "reason": "Unauthorized", "code": 401}
        if path == KEYS:
            return 200, {"keys": [self.key.as_dict(private=False, alg="RS256", use="sig")]}
        if path == DOCUMENT:
            return 200, {"issuer": self.issuer, "jwks_uri": f"{self.url}{KEYS}", "response_types_supported": ["id_token"]}
        return 404, {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answer(self.path, self.headers.get("Authorization"))
                encoded = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_: object) -> None:  # what `format` is called by the library
                """Say nothing."""

        return Handler


@contextmanager
def stand_in_cluster(folder: Path) -> Iterator[StandInCluster]:
    """The stand-in, until the end of the context."""
    cluster = StandInCluster(folder)
    try:
        yield cluster
    finally:
        cluster.close()


def certificates(folder: Path, ca_file: Path) -> tuple[Path, Path]:
    """A CA into `ca_file`; certificate and key of a server at 127.0.0.1 that it vouches for.

    As bare as the CAs of many clusters are: no identifiers of keys, and not what a key is for.
    """
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    ca = (
        _builder(ca_name, ca_name, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    server = (
        _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apiserver")]), ca_name, server_key)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    certificate, key = folder / "apiserver.crt", folder / "apiserver.key"
    certificate.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        server_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )
