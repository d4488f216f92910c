"""The hands of the laboratory inside a guest: does what the host asks over TCP, one request a connection.

A request is one line of JSON, and so is each part of an answer; the last part has "done". It is all there is in a guest
beside what is under test: one process that is there already, because in such a kernel a fork and exec costs 40 ms.
"""
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

PORT = 7777


def say(wire, **part):
    wire.sendall(json.dumps(part).encode() + b"\n")


def run(wire, ask):
    """Runs a program, streams what it prints, and ends it with all its group when the asker hangs up."""
    began = time.time()
    process = subprocess.Popen(ask["argv"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               cwd=ask.get("cwd"), env={**os.environ, **ask.get("env", {})}, start_new_session=True)
    try:
        process.stdin.write(ask.get("input", "").encode())
        process.stdin.close()
    except BrokenPipeError:
        pass
    streams = {process.stdout: "out", process.stderr: "err"}
    until = time.monotonic() + ask["limit"]
    first = None
    while streams:
        ready, _, _ = select.select([*streams, wire], [], [], max(0, until - time.monotonic()))
        if not ready or wire in ready:
            os.killpg(process.pid, signal.SIGKILL)
            return say(wire, done=True, status=None, began=began, ended=time.time(), first=first)
        for stream in ready:
            part = os.read(stream.fileno(), 65536)
            if part:
                first = first or time.time()
                say(wire, **{streams[stream]: part.decode(errors="replace")})
            else:
                del streams[stream]
    say(wire, done=True, status=process.wait(), began=began, ended=time.time(), first=first)


def start(wire, ask):
    """Starts a program that outlives the request; what it prints is appended to a file."""
    with open(ask["log"], "ab") as log:
        process = subprocess.Popen(ask["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={**os.environ, **ask.get("env", {})}, start_new_session=True)
    threading.Thread(target=process.wait, daemon=True).start()
    say(wire, done=True, pid=process.pid)


def read(wire, ask):
    """Reads a file from an offset on; empty where there is none."""
    try:
        with open(ask["path"], "rb") as file:
            file.seek(ask.get("offset", 0))
            say(wire, done=True, text=file.read().decode(errors="replace"))
    except FileNotFoundError:
        say(wire, done=True, text="")


def write(wire, ask):
    """Writes a file as `echo` would: truncates, writes, closes."""
    with open(ask["path"], "w", encoding="utf-8") as file:
        file.write(ask["text"])
    say(wire, done=True, at=time.time())


def kill(wire, ask):
    """Signals processes by number, or those whose command line begins with certain words."""
    struck = []
    for number in ask.get("pids") or processes(ask["words"]):
        try:
            os.kill(number, ask["signal"])
            struck.append(number)
        except ProcessLookupError:
            pass
    say(wire, done=True, pids=struck, at=time.time())


def find(wire, ask):
    say(wire, done=True, pids=processes(ask["words"]), at=time.time())


def clock(wire, _):
    say(wire, done=True, at=time.time())


def processes(words):
    """Returns the processes whose command line begins with these words, the first by its last component."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                line = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        line[0] = os.path.basename(line[0])
        if line[:len(words)] == words:
            found.append(int(name))
    return found


def serve(wire):
    with wire:
        try:
            ask = json.loads(wire.makefile("rb").readline())
            {"run": run, "start": start, "read": read, "write": write, "kill": kill, "find": find,
             "clock": clock}[ask["do"]](wire, ask)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except Exception as error:
            say(wire, done=True, error=f"{type(error).__name__}: {error}")


def main():
    # The first process of a kernel inherits every orphan: it does nothing but bury them.
    if os.fork():
        while True:
            os.wait()
    door = socket.create_server(("", PORT), backlog=64)
    while True:
        wire, _ = door.accept()
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(wire,), daemon=True).start()


main()
