"""A node of dispatch in a guest: laid out with the commands of the README, and used with its own programs."""
import json
import re
from signal import SIGTERM

NAMES = {"A": "devbox", "B": "gpubox"}
SHARE = "/mnt/share"
CONFIG = "/node/.config/dispatch/dispatch.toml"
# What differs from the defaults: more tasks in an hour than any person sends, and where the agent counts its starts.
SETTINGS = {"rate": '"100000/h"', "queue_max": "1000", "timeout": '"60s"', "grace": '"2s"', "write": '["/ledger"]'}


class Node:
    """One side. Everything is done in its guest, as somebody logged in there would do it."""

    def __init__(self, bench, guest):
        self.bench, self.guest, self.name = bench, guest, NAMES[guest]
        self.machine = bench.clients[guest]
        self.bin = bench.scratch / "bin"
        self.peer = None

    def run(self, program, *arguments, **more):
        return self.machine.run(self.bin / program, *arguments, **more)

    def must(self, program, *arguments, **more):
        """Runs a program that has to succeed and returns what it printed."""
        ran = self.run(program, *arguments, **more)
        if ran.status != 0:
            raise RuntimeError(f"{self.name}: {program} {' '.join(map(str, arguments))}: {ran}")
        return ran.out

    def init(self):
        """Lays out the share and the configuration, as in "Pairing two hosts"."""
        work = self.bench.scratch / "guest/work"
        self.must("dispatch", "init", "--root", SHARE, "--side", self.name, "--accept", self.peer.name,
                  "--group", "users", "--", work)
        self.settle(SETTINGS)

    def settle(self, settings):
        """Gives settings another value than their default."""
        text = self.machine.read(CONFIG)
        for key, value in settings.items():
            text, count = re.subn(rf"^#?{key} = .*$", f"{key} = {value}", text, count=1, flags=re.M)
            assert count == 1, f"no setting '{key}' in {CONFIG}"
        self.machine.write(CONFIG, text)

    def pair(self):
        """One secret for the two, carried by a pipe and never on the share."""
        self.must("dispatch", "key", "new-link", self.peer.name)
        key = self.must("dispatch", "key", "export", self.peer.name)
        self.peer.must("dispatch", "key", "import", input=key)

    def watch(self):
        """Starts the watcher."""
        return self.machine.start(self.bin / "dispatch-watch", log="/node/watch.log")

    def end_watch(self, signal=SIGTERM):
        """Signals the watcher; with SIGKILL it cannot do anything about it."""
        return self.machine.kill("dispatch-watch", signal=signal)

    def send(self, request, *options, **more):
        """Sends a task to the other side. Returns its id and the moment when it was printed, by the host's clock."""
        ran = self.run("dispatch-send", "--to", self.peer.name, "--request", request, *options, **more)
        task = ran.out.split("\t")[0].strip() or None
        return Sent(task, ran, self.machine.here(ran.began), self.machine.here(ran.first or ran.ended))

    def wait(self, task, patience):
        """Returns the outcome of a task as `dispatch wait` tells it, or None while there is none."""
        ran = self.run("dispatch", "wait", "--json", "--for", f"{patience}s", task, limit=patience + 60)
        lines = [json.loads(line) for line in ran.out.splitlines()]
        return (ran, lines[0] if lines else None)

    def seconds(self, key):
        """Returns a duration that is in force here, as `dispatch config` shows it."""
        shown = self.must("dispatch", "config", key)
        count, unit = re.search(r'"(\d+)(ms|s|m)"', shown).groups()
        return int(count) * {"ms": 0.001, "s": 1.0, "m": 60.0}[unit]

    def starts(self):
        """Returns what the agents here wrote down: task, attempt, and when, by the host's clock."""
        lines = (line.split() for line in self.machine.read("/ledger/starts").splitlines())
        return [(line[0], int(line[1]), self.machine.here(float(line[2]))) for line in lines if len(line) == 4]


class Sent:
    """A task that was sent: `printed` is when its id was known, which is when it was published."""

    def __init__(self, task, ran, began, printed):
        self.task, self.ran, self.began, self.printed = task, ran, began, printed
