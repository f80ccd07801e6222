"""The command line of the host."""

import argparse
import importlib
import json
import os
import resource
import signal
import sys
import threading
from typing import Any, List

from rlmesh_thin._version import __version__
from rlmesh_thin.address import TLS, UNIX, is_local, listen, tls_context
from rlmesh_thin.connection import Lost
from rlmesh_thin.environment import Environment
from rlmesh_thin.faults import INTERNAL, Fault
from rlmesh_thin.host import Host
from rlmesh_thin.output import note
from rlmesh_thin.servicer import Servicer
from rlmesh_thin.workers import WorkerServicer, serve_parent

__all__ = ["main"]

TOKEN = "RLMESH_TOKEN"


def _options(arguments: List[str]) -> Any:
    parser = argparse.ArgumentParser(description="Serve an environment, spec %s." % __version__)
    add = parser.add_argument
    add("env", metavar="MODULE:CALLABLE", help="makes the environment")
    add(
        "--args",
        type=json.loads,
        default={},
        metavar="JSON",
        help="keyword arguments of the callable",
    )
    add(
        "--address",
        default="frames://127.0.0.1:0",
        help="frames://HOST:PORT, framess://HOST:PORT (TLS) or frames+unix:///PATH "
        "(default: %(default)s)",
    )
    add(
        "--token-file",
        metavar="FILE",
        help="bearer token of clients (default: the variable %s)" % TOKEN,
    )
    for name, text in (
        ("certificate", "certificate chain of framess://"),
        ("key", "its private key"),
        ("authority", "authority of the certificates that clients need"),
    ):
        add("--tls-" + name, default="", metavar="FILE", help=text)
    add(
        "--instances",
        type=int,
        default=1,
        metavar="N",
        help="environments; above 1 in worker processes",
    )
    add(
        "--expose",
        action="append",
        default=[],
        metavar="NAME",
        help="attribute that clients may use",
    )
    add(
        "--spaces",
        metavar="MODULE:CALLABLE",
        help="returns (observation_space, action_space) of the environment that it is called with",
    )
    add(
        "--done",
        choices=("terminated", "truncated"),
        default="terminated",
        help="what done of the old gym means if its info does not say (default: %(default)s)",
    )
    add(
        "--ready-fd", type=int, metavar="N", help="write the address there once clients can connect"
    )
    add("--worker-fd", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.instances < 1 or not isinstance(options.args, dict):
        parser.error("expected --instances of 1 or more, and --args that is an object")
    if options.address.startswith(TLS) != bool(options.tls_certificate):
        parser.error("framess:// and --tls-certificate need each other")
    return options


def _named(name: str) -> Any:
    """Return what MODULE:CALLABLE names."""
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise Fault(INTERNAL, "expected MODULE:CALLABLE, got %r" % name)
    sys.path.insert(0, os.getcwd())
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _token(options: Any) -> str:
    token = os.environ.pop(TOKEN, "")  # Not for the environment's own processes.
    if options.token_file:
        with open(options.token_file) as file:
            token = file.read().strip()
        if not token:
            raise Fault(INTERNAL, "%s holds no token" % options.token_file)
    if not all("!" <= c <= "~" for c in token) or len(token) > 4096:
        raise Fault(INTERNAL, "Y-3: expected a token of 1 to 4096 visible ASCII characters")
    return token


def main(arguments: Any = None) -> int:
    """Serve until a signal; return the exit status: 2 if nothing can be served."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    try:
        return _serve(options)
    except Fault as fault:
        note("%s%s" % (fault.path and fault.path + ": ", fault.message))
    except (ImportError, AttributeError, OSError, Lost) as error:
        note("%s: %s" % (type(error).__name__, error))
    return 2


def _serve(options: Any) -> int:
    token = _token(options)
    if options.instances > 1 and options.worker_fd is None:
        servicers: List[Any] = [WorkerServicer(sys.argv) for _ in range(options.instances)]
        hellos = {servicer.hello() for servicer in servicers}
        if len(hellos) > 1:
            raise Fault(INTERNAL, "H-1: the environments have different contracts")
        hello = hellos.pop()
    else:
        spaces = _named(options.spaces) if options.spaces else None
        env = Environment(_named(options.env)(**options.args), spaces, options.done)
        servicers = [Servicer(env, options.expose, is_local(options.address))]
        hello = bytes([env.can_render]) + env.contract(options.expose)
        if options.worker_fd is not None:
            serve_parent(options.worker_fd, servicers[0], hello)
            env.close()
            return 0
    context = None
    if options.tls_certificate:
        context = tls_context(options.tls_certificate, options.tls_key, options.tls_authority)
    listener, address = listen(options.address)
    _warn_if_open(address, token, options.tls_authority)
    host = Host(listener, servicers, hello[1:], bool(hello[0]), token, context)
    try:
        _run(host, address, options.ready_fd)
    finally:
        if address.startswith(UNIX) and os.path.exists(address[len(UNIX) :]):
            os.unlink(address[len(UNIX) :])
        for servicer in servicers:
            servicer.end()
    return 0


def _warn_if_open(address: str, token: str, authority: str) -> None:
    if not is_local(address) and not token and not authority:
        note("%s is open to every host: pass --token-file or --tls-authority" % address)


def _run(host: Host, address: str, ready: Any) -> None:
    """Serve until a signal; a second one ends the process as it would without this."""

    def stop(number: int, frame: Any) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        host.stop()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    _allow_descriptors()
    host.start()
    note("serving at %s" % address)
    if ready is not None:
        with os.fdopen(ready, "w") as file:
            file.write(address + "\n")
    threads = [threading.Thread(target=i.run, daemon=True) for i in host.instances[1:]]
    for thread in threads:
        thread.start()
    host.instances[0].run()
    for thread in threads:
        thread.join()
    host.drain()


def _allow_descriptors() -> None:
    """Raise the limit on descriptors as far as this process may (B-15: 1,024 connections)."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    except (OSError, ValueError):
        pass


if __name__ == "__main__":
    sys.exit(main())
