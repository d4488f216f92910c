"""A bench to work on by hand."""
import sys
import threading
from pathlib import Path

from .bench import Bench
from .protocols import PROTOCOLS

HELP = """  A COMMAND     a line of shell in client A (B: client B, S: the server); a line without a name goes to the last one
  stop, start   the service of the server
  cut NAME, boot NAME
                the power of a guest
  exit"""


def shown(stream, text):
    out = sys.stdout if stream == "out" else sys.stderr
    out.write(text)
    out.flush()


def serve(options, command, scratch):
    """Brings a bench up, runs one command on it or what is typed, and takes it down."""
    bench = Bench(PROTOCOLS[options.protocol], Path(scratch), options)
    bench.quiet = bool(command)
    try:
        bench.up()
        bench.settle()
        return once(bench, options.on, command) if command else loop(bench)
    finally:
        bench.down()


def once(bench, guests, command):
    """Runs a command on one client, or on both at once; returns the worst status."""
    results = {}
    path = {"PATH": f"{bench.scratch}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

    def one(name):
        results[name] = bench.clients[name].run(*command, limit=3600, heard=shown, env=path)

    threads = [threading.Thread(target=one, args=(name,)) for name in guests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(254 if ran.status is None else ran.status % 256 for ran in results.values())


def loop(bench):
    """Reads lines and does what they say."""
    print(HELP)
    machines, last = {**bench.clients, "S": bench.server}, "A"
    path = {"PATH": f"{bench.scratch}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    while True:
        try:
            words = input(f"{bench.protocol.name} {last}# ").strip()
        except EOFError:
            return 0
        first, _, rest = words.partition(" ")
        try:
            if first == "exit":
                return 0
            if first in ("stop", "start"):
                getattr(bench.protocol, first)(bench.server)
            elif first == "cut":
                machines[rest].cut()
            elif first == "boot":
                machines[rest].boot()
                machines[rest].ready()
                if rest in bench.clients:
                    bench.mount(machines[rest])
            elif first in machines:
                last = first
                machines[last].run("sh", "-c", rest or "true", limit=3600, heard=shown, env=path)
            elif words:
                machines[last].run("sh", "-c", words, limit=3600, heard=shown, env=path)
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
