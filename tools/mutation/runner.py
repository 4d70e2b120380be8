"""runner.py -- run one command with a seeded bug on or off, and say what it did."""

import contextlib
import glob
import os
import re
import subprocess
import threading
import time

from .catalogue import ROOT

SECONDS_MAX = 120  # For one command. A bug that makes it hang is killed, too.

ASSERTION = re.compile(r"([\w./-]+\.c):(\d+): assertion failed|assertion: ([\w./-]+\.c):(\d+)")


class Outcome:
    """What one command did: whether it failed, what it said, and why it failed in a word."""

    def __init__(self, code, text):
        self.code = code
        self.text = text
        self.failed = code != 0
        self.is_crash = code is None or code < 0
        assertion = ASSERTION.search(text)
        self.is_asserted = bool(assertion) and (assertion[1] or assertion[3]).startswith("src/")
        claim = re.search(r"^(?:  broken|seed \d+ failed): ([^:]*):", text, re.MULTILINE)
        if assertion:
            self.why = "assertion in " + (assertion[1] or assertion[3])
        elif claim:
            self.why = claim[1]
        elif code is None:
            self.why = "does not end"
        elif code < 0:
            self.why = f"signal {-code}"
        else:
            self.why = "check"


class Runner:
    """Runs commands with a bug switched on or, to compare, off."""

    def __init__(self, build):
        self.build = build
        self.passing = {}  # Command: a lock, and what passes_without() says of it.
        self.lock = threading.Lock()
        self.local = threading.local()

    @property
    def is_mute(self):
        """True where this thread runs its commands with the assertions of src/ switched off."""
        return getattr(self.local, "is_mute", False)

    @contextlib.contextmanager
    def muted(self, is_mute=True):
        before, self.local.is_mute = self.is_mute, is_mute
        try:
            yield
        finally:
            self.local.is_mute = before

    def run(self, row, command, variables=None):
        environment = dict(os.environ, SYNOD_MUTANT=str(row), **(variables or {}))
        environment.pop("SYNOD_MUTE", None)
        if self.is_mute:
            environment["SYNOD_MUTE"] = "1"
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return Outcome(None, (late.stdout or b"").decode("utf-8", "replace"))
        return Outcome(done.returncode, done.stdout.decode("utf-8", "replace"))

    def passes_without(self, command, variables):
        """How long a command takes without a bug, in seconds; None if it fails anyway."""
        key = (tuple(command), tuple(sorted((variables or {}).items())), self.is_mute)
        with self.lock:
            passing = self.passing.setdefault(key, [threading.Lock()])
        with passing[0]:
            if len(passing) == 1:
                begun = time.monotonic()
                has_failed = self.run(0, command, variables).failed
                passing.append(None if has_failed else time.monotonic() - begun)
            return passing[1]

    def program(self, name):
        return os.path.join(self.build, name)

    def find_deaf(self):
        """Programs of this build that test, and in which nothing can be switched on."""
        for path in sorted(glob.glob(self.program("test/*"))):
            with open(path, "rb") as file:
                is_told = re.search(rb"SYNOD_MUTANT|--mutant", file.read())
                if not is_told and os.path.basename(path) != "chaos":
                    yield os.path.relpath(path, ROOT)

    def has(self, name, word):
        """True if the program is there and its --help speaks of the word."""
        path = self.program(name)
        return os.path.exists(path) and word in self.run(0, [path, "--help"]).text
