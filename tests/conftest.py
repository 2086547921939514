"""What tests of every room may ask for."""

import socket

import pytest


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Refuse every look-up and connection, as a machine without a network does, and list where to they were meant."""
    asked: list[object] = []

    def refuse(*where: object, **options: object) -> None:
        asked.append(where)
        raise OSError("there is no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked
