"""One process that serves an ASGI application until it is told to stop."""

import signal
import socket

import uvicorn
from starlette.types import ASGIApp

from ..console import Mistake

PATIENCE = 30  # seconds that running requests have once the process is told to stop


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; port 0 is any free one. Raises Mistake where it cannot be had."""
    if not 0 <= port < 2**16:  # which getaddrinfo would take modulo 2**16
        raise Mistake(f"{port} is no port: choose one of 0 to {2**16 - 1} with --port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(1024)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot listen on port {port} of {host} ({reason}): choose another with --port"
        raise Mistake(message) from None
    return found


def address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(application: ASGIApp, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then answer the requests that run, and return; a second SIGINT waits for none."""
    config = uvicorn.Config(
        application,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        proxy_headers=False,  # no client may say who it is
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # uvicorn takes them over, and raises them once more when it is done
    uvicorn.Server(config).run(sockets=[listening])
