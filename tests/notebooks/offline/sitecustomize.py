"""On the PYTHONPATH of a lesson under test: this machine only; a lesson that reaches for another is an error."""

import socket

HERE = ("127.", "::1", "localhost", "0.0.0.0")
_connect, _resolve = socket.socket.connect, socket.getaddrinfo


def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(HERE):
        raise OSError(f"A lesson tried to reach {address[0]}: lessons run offline.")
    return _connect(self, address)


def resolve(host, *arguments, **options):
    if host and not str(host).startswith(HERE) and str(host) != socket.gethostname():
        raise OSError(f"A lesson tried to look up {host}: lessons run offline.")
    return _resolve(host, *arguments, **options)


socket.socket.connect, socket.getaddrinfo = connect, resolve
