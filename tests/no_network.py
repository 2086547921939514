"""A machine without a network, and the wish for one noticed."""

import socket

import pytest


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Refuse every look-up and connection, and list where to."""
    asked: list[object] = []

    def refuse(*where: object, **options: object) -> None:
        asked.append(where)
        raise OSError("there is no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked
