"""Guests: kernels that run as processes of this host (User-Mode-Linux), each with a cable, disks and a resident.

To kill the process is to cut the power: what the guest had not synced is gone, what its disks hold is there at the next boot.
"""
import contextlib
import json
import os
import socket
import subprocess
import time
from pathlib import Path

KERNEL = "/usr/bin/linux.uml"
PORT = 7777
ADDRESSES = {"S": "10.99.0.1", "A": "10.99.0.11", "B": "10.99.0.12"}
BOOT_S = 60
NICE = -10


def prefer(realtime):
    """Puts all that runs in this laboratory before the rest of the machine: what is measured here are the programs, not the
    patience of a busy host. Every kernel opens a session, and sessions are weighed as wholes (sched(7), autogroup)."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if realtime:
                os.sched_setscheduler(int(process.name), os.SCHED_RR, os.sched_param(1))
            os.setpriority(os.PRIO_PROCESS, int(process.name), NICE)
            # Never the session that we were called from: it would stay so, for all that is run in it after us.
            if os.getsid(int(process.name)) != os.getsid(0):
                (process / "autogroup").write_text(str(NICE), encoding="ascii")
        except OSError:
            pass


class Unreachable(Exception):
    """The resident of a guest does not answer, because there is none or the guest is dead."""


class Ran:
    """What a program in a guest did. `status` is None where it was ended at its limit; times are the guest's own."""

    def __init__(self):
        self.status, self.out, self.err = None, "", ""
        self.began = self.ended = self.first = 0.0

    def __repr__(self):
        return f"status {self.status}, out {self.out[-400:]!r}, err {self.err[-800:]!r}"


class Machine:
    """One guest, by the name that its cable, its disks and its log carry too."""

    def __init__(self, name, role, scratch, network, memory, disks):
        self.name, self.role, self.scratch, self.network, self.memory = name, role, scratch, network, memory
        self.address = ADDRESSES[name]
        self.disks = [self.disk(f"{name}.{disk}", size) for disk, size in disks]
        self.wires = set()
        self.process, self.skew, self.disk_options, self.realtime = None, 0.0, "defaults", False

    def disk(self, name, size):
        path = self.scratch / name
        with open(path, "wb") as image:
            image.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", path], check=True)
        return path

    def boot(self):
        """Starts the kernel; `ready` waits for it."""
        self.network.plug(self.name)
        mac = f"52:54:00:00:00:{int(self.address.rsplit('.', 1)[1]):02x}"
        command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", KERNEL,
                   f"mem={self.memory}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet",
                   f"init={self.scratch}/guest/init", f"umid={self.name}", f"uml_dir={self.scratch}/uml/",
                   "con=null", "con0=null,fd:1", "ssl=null",
                   f"vec0:transport=tap,ifname=tap{self.name},depth=64,gro=1,mac={mac}",
                   f"LAB_DIR={self.scratch}", f"LAB_NAME={self.name}", f"LAB_ROLE={self.role}",
                   f"LAB_ADDRESS={self.address}", f"LAB_DISK_OPTIONS={self.disk_options}"]
        command += [f"ubd{index}={disk}" for index, disk in enumerate(self.disks)]
        with open(self.scratch / f"{self.name}.log", "ab") as log:
            # The guest's memory is a file in TMPDIR, and only a tmpfs is fast enough for that.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "TMPDIR": "/dev/shm"})

    def ready(self):
        """Waits until the resident answers, and learns how far the guest's clock is off: up to a second, but steady."""
        until = time.monotonic() + BOOT_S
        while True:
            try:
                self.look_at_clock()
                return prefer(self.realtime)
            except Unreachable:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def look_at_clock(self):
        """Learns the skew from the fastest of some round trips."""
        best = None
        for _ in range(5):
            before = time.time()
            there = self.ask(do="clock", patience=1)["at"]
            after = time.time()
            if best is None or after - before < best:
                best, self.skew = after - before, there - (before + after) / 2

    def here(self, moment):
        """Returns what the host's clock showed at a moment of the guest's."""
        return moment - self.skew

    def cut(self):
        """Cuts the power. A dead kernel closes no connection, so that whoever waits for it is told here."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
            for wire in list(self.wires):
                wire.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def connection(self, patience):
        with socket.create_connection((self.address, PORT), timeout=patience) as wire:
            self.wires.add(wire)
            try:
                yield wire
            finally:
                self.wires.discard(wire)

    def parts(self, patience, ask):
        """Asks the resident and yields the parts of its answer."""
        try:
            with self.connection(min(patience, 10)) as wire:
                wire.settimeout(patience)
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                wire.sendall(json.dumps(ask).encode() + b"\n")
                for line in wire.makefile("rb"):
                    part = json.loads(line)
                    if "error" in part:
                        raise RuntimeError(f"{self.name}: {ask}: {part['error']}")
                    yield part
                    if "done" in part:
                        return
        except OSError as error:
            raise Unreachable(f"{self.name}: {error}") from error
        raise Unreachable(f"{self.name}: hung up")

    def ask(self, patience=10, **ask):
        """Asks the resident what has one answer."""
        for part in self.parts(patience, ask):
            return part

    def run(self, *argv, limit=60, heard=None, **more):
        """Runs a program and returns what it did; `heard(stream, text)` is told while it runs."""
        ran = Ran()
        argv = [str(word) for word in argv]
        for part in self.parts(limit + 15, {"do": "run", "argv": argv, "limit": limit, **more}):
            for stream in ("out", "err"):
                if stream in part:
                    setattr(ran, stream, getattr(ran, stream) + part[stream])
                    if heard:
                        heard(stream, part[stream])
        ran.status, ran.began, ran.ended, ran.first = part["status"], part["began"], part["ended"], part["first"]
        return ran

    def shell(self, text, **more):
        """Runs a line of shell that must succeed, and returns what it printed."""
        ran = self.run("sh", "-ec", text, **more)
        if ran.status != 0:
            raise RuntimeError(f"{self.name}: {text}: {ran}")
        return ran.out

    def start(self, *argv, log, **more):
        """Starts a program that goes on by itself, and returns its number."""
        return self.ask(do="start", argv=[str(word) for word in argv], log=str(log), **more)["pid"]

    def read(self, path, offset=0):
        return self.ask(do="read", path=str(path), offset=offset)["text"]

    def write(self, path, text, patience=60):
        """Writes a file and returns when, by the host's clock."""
        return self.here(self.ask(do="write", path=str(path), text=text, patience=patience)["at"])

    def find(self, *words):
        """Returns the processes whose command line begins with these words."""
        return self.ask(do="find", words=list(words))["pids"]

    def kill(self, *words, signal=9):
        """Signals the processes whose command line begins with these words, and returns their numbers."""
        return self.ask(do="kill", words=list(words), signal=signal)["pids"]
