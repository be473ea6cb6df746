"""The local server behind TLS: only who trusts its certificate gets in, and nothing is left."""

import asyncio
import builtins
import ssl

import pytest
from world_support import small_server

from antiphon import LiveModel, WebSocketConnector
from antiphon.emulator import Emulator
from antiphon.errors import ConnectError


def ask(emulator, tls):
    async def main():
        connector = WebSocketConnector(tls=tls)
        model = LiveModel(backend=emulator.backend(), connector=connector)
        async with model.connect() as session:
            return await session.ask("hello there")

    return asyncio.run(main())


def test_a_client_that_trusts_the_certificate_gets_in_and_others_do_not():
    with small_server(tls=True) as emulator:
        assert emulator.url.startswith("wss://127.0.0.1:")
        assert ask(emulator, emulator.tls.client_context()).text == "hello there"
        with pytest.raises(ConnectError, match="certificate") as caught:
            ask(emulator, ssl.create_default_context())
        assert caught.value.cause == "tls"
        ca_file = emulator.ca_file
        assert ca_file.exists()
    assert not ca_file.exists()


def test_the_environment_is_enough_for_an_unmodified_application(monkeypatch):
    with small_server(tls=True) as emulator:
        monkeypatch.setenv("SSL_CERT_FILE", str(emulator.ca_file))
        assert ask(emulator, None).text == "hello there"


def test_files_in_a_folder_of_ones_own_stay_and_hold_no_key(tmp_path):
    with small_server(tls=tmp_path / "certificates") as emulator:
        files = {path.name: path.read_bytes() for path in emulator.ca_file.parent.iterdir()}
    assert set(files) == {"antiphon-ca.pem", "antiphon-ca.p12"}
    assert not any(b"PRIVATE" in data for data in files.values())
    assert (tmp_path / "certificates" / "antiphon-ca.pem").exists()


def test_java_reads_the_trust_store():
    from cryptography.hazmat.primitives.serialization import pkcs12

    with small_server(tls=True) as emulator:
        data = emulator.tls.trust_store.read_bytes()
        store = pkcs12.load_pkcs12(data, emulator.tls.trust_store_password.encode())
    (entry,) = store.additional_certs
    assert "antiphon" in entry.certificate.subject.rfc4514_string()


def test_without_the_package_there_is_advice(monkeypatch):
    real = builtins.__import__

    def no_trustme(name, *args, **kwargs):
        if name == "trustme":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_trustme)
    with (
        pytest.raises(ConnectError, match=r"pip install 'antiphon\[tls\]'"),
        small_server(tls=True),
    ):
        pass


def test_without_tls_there_is_no_certificate():
    with small_server() as emulator, pytest.raises(ConnectError, match="tls=True"):
        emulator.tls.client_context()


def test_a_port_that_is_taken_leaves_no_files(tmp_path):
    with small_server() as first, pytest.raises(ConnectError):
        second = Emulator(port=first.port, tls=True)
        with second:
            pass
