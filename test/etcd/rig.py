"""rig.py -- real servers on loopback for scripts: start, ask, kill, and count what was checked.

Every server started here dies with the script, and only those: they are ended by their process
id. All data are in one directory of the script's own, removed at the end.
"""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOST = "127.0.0.1"


class Checks:
    """Counts checks, and says what was wrong with those that failed."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, holds, claim, shown=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {claim}")
            for line in str(shown).splitlines()[:20]:
                print(f"    {line}")
        return bool(holds)


def free_ports(count):
    """Ports below those that the system gives to outgoing connections, free right now."""
    ports = []
    at = random.randrange(10000, 30000)
    while len(ports) < count:
        at = at + 1 if at < 30000 else 10000
        with socket.socket() as probe:
            try:
                probe.bind((HOST, at))
                ports.append(at)
            except OSError:
                pass
    return ports


def run(words, stdin="", seconds=20, environment=None):
    """Run a program to its end. Returns its exit code, standard output, standard error."""
    merged = dict(os.environ, ETCDCTL_API="3")
    merged.pop("ETCDCTL_ENDPOINTS", None)
    merged.update(environment or {})
    try:
        done = subprocess.run(
            [str(word) for word in words],
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=seconds,
            env=merged,
        )
    except subprocess.TimeoutExpired:
        return -1, "", f"did not end within {seconds} s"
    return (
        done.returncode,
        done.stdout.decode("utf-8", "backslashreplace"),
        done.stderr.decode("utf-8", "backslashreplace"),
    )


def wait_until(condition, seconds=20):
    """Ask again and again until the condition holds; its last answer."""
    end = time.monotonic() + seconds
    answer = condition()
    while not answer and time.monotonic() < end:
        time.sleep(0.02)
        answer = condition()
    return answer


class Server:
    """One member: Synod's, or etcd's where `program` is that."""

    def __init__(self, program, name, folder, ports):
        self.program = program
        self.name = name
        self.data_dir = os.path.join(folder, name)
        self.log = os.path.join(folder, f"{name}.log")
        self.client = f"{HOST}:{ports[0]}"
        self.peer = f"{HOST}:{ports[1]}"
        self.process = None

    def flags(self, cluster):
        return [
            "--name", self.name,
            "--data-dir", self.data_dir,
            "--listen-client-urls", f"http://{self.client}",
            "--advertise-client-urls", f"http://{self.client}",
            "--listen-peer-urls", f"http://{self.peer}",
            "--initial-advertise-peer-urls", f"http://{self.peer}",
            "--initial-cluster", cluster,
        ]

    def start(self, cluster, extra=()):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.program, *self.flags(cluster), *extra],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, number=signal.SIGKILL, seconds=10):
        """Send a signal and wait; the exit code, or None if it does not end."""
        self.process.send_signal(number)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        self.process = None
        return code

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def get(self, path, method="GET"):
        """Status and body of a plain HTTP request; (0, "") where nobody answers."""
        connection = http.client.HTTPConnection(self.client, timeout=8)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def is_healthy(self):
        status, body = self.get("/health")
        return status == 200 and json.loads(body)["health"] == "true"

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


class Cluster:
    """Several members that were founded together."""

    def __init__(self, program, names, folder, token=None):
        ports = free_ports(2 * len(names))
        self.servers = [
            Server(program, name, folder, ports[2 * i : 2 * i + 2]) for i, name in enumerate(names)
        ]
        self.initial = ",".join(f"{s.name}=http://{s.peer}" for s in self.servers)
        self.extra = ["--initial-cluster-token", token] if token else []

    def start(self, server=None):
        for each in self.servers if server is None else [server]:
            each.start(self.initial, self.extra)

    def wait(self, seconds=20):
        """True once every running member can read the state."""
        return wait_until(
            lambda: all(s.is_healthy() for s in self.servers if s.is_running()), seconds
        )

    def endpoints(self):
        return ",".join(s.client for s in self.servers)

    def end(self):
        for server in self.servers:
            if server.process is not None:
                server.end()


class Folder:
    """A directory of the script's own, mode 0700, removed at the end."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="synod-")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)
