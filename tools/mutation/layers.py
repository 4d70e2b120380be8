"""layers.py -- the ways to look for a seeded bug: programs of the tests, and what they find.

What kills a bug is a word that its layer has found and can repeat: the name of a test, a seed, a
state. Two killers are independent if their rigs are not the same: a rig is the world in which
the code runs and whoever judges there. Where it was an assertion of src/ that judged, in both, the
second judge is missing: it must speak with the assertions of src/ switched off.
"""

import glob
import os
import re

from .catalogue import ROOT, read_text
from .runner import SECONDS_MAX

CORES_SEEDS = 40000
SIMULATOR_SEEDS = 48
SIMULATOR_CHUNK = 12
SIMULATOR_FRAME = ["--jobs", "1", "--no-shrink"]
PARTITION_SEEDS = 10
EXPLORER_STATES = 2000000  # In each scope.
RIG_CORES = "cores of test/lib/cluster.h"
EXPLORER_FRAME = ["--memory", "1", "--threads", "1"]


class Layer:
    """One way to look for bugs. `repeat` tries one killer, a word that `search` has found.

    Both return the Outcome that killed, or None; `search` with the killer before it."""

    name = ""
    folders = None  # Of src/, whose code it runs; None: all of them.

    def __init__(self, runner):
        self.runner = runner

    def is_there(self):
        return True

    def runs(self, row):
        """True if it runs any code that the bug is in."""
        return self.folders is None or not self.folders.isdisjoint(row.folders)

    def command(self, row, killer):
        raise NotImplementedError

    def search(self, row):
        raise NotImplementedError

    def rig(self, killer):
        """In which world the code runs, and who judges. Of the same: not independent."""
        return self.name

    def cell(self, killer):
        """What a killer is, and how much it takes."""
        return killer

    def exists(self, killer):
        """True if the tree has what the killer names."""
        return killer.isdigit()

    def repeat(self, row, killer):
        command, variables = self.command(row.number, killer)
        outcome = self.runner.run(row.number, command, variables)
        if not outcome.failed or outcome.code == 2:
            return None  # 2: it was asked for something that is not there.
        if self.runner.is_mute and outcome.is_crash:
            return None  # Nobody has judged: the code ran into what its assertion guards.
        calm, variables = self.command(0, killer)
        seconds = self.runner.passes_without(calm, variables)
        if seconds is None or (outcome.code is None and seconds > SECONDS_MAX / 10):
            return None  # It fails anyway, or the machine may just be slow.
        return outcome


class Unit(Layer):
    """Killers are `PROGRAM TEST`."""

    name = "unit"

    def command(self, row, killer):
        program, test = killer.split(" ", 1)
        return [self.runner.program("test/" + program), test], None

    def search(self, row):
        homes = {self.runner.program(f"test/{self.name}-{folder}") for folder in row.folders}
        paths = glob.glob(self.runner.program(f"test/{self.name}-*"))
        for path in sorted(paths, key=lambda path: (path not in homes, path)):
            outcome = self.runner.run(row.number, [path, "-chaos: "])
            if outcome.failed:
                killer = os.path.basename(path) + " " + failed_test(outcome.text)
                again = self.repeat(row, killer)
                if again:
                    return killer, again
        return None

    def rig(self, killer):
        program = killer.split(" ", 1)[0]
        return RIG_CORES if program == "unit-paxos" else program

    def cell(self, killer):
        noun, claim = killer.split(" ", 1)[1].split(": ", 1)
        return f"*{noun} {claim.replace('_', ' ')}*"

    def exists(self, killer):
        program, noun, claim = re.match(r"(\S+) ([^:]*): (.*)", killer).groups()
        sources = glob.glob(os.path.join(ROOT, "test", program.replace("-", "/", 1), "*.c"))
        return any(f"TEST({noun}, {claim})" in read_text(path) for path in sources)


def failed_test(text):
    """The first test that failed, by cmocka's own words; it may be the one that never ended."""
    for line in text.splitlines():
        match = re.match(r"\[  FAILED  \] (.*)", line)
        if match and not match[1].endswith(":"):
            return match[1]
    running = re.findall(r"^\[ RUN      \] (.*)$", text, re.MULTILINE)
    return running[-1] if running else "?"


class Fault(Unit):
    """The same kind of program, and a layer of its own: no test in it looks for these bugs."""

    name = "fault"


class Scenario(Layer):
    """Killers are names of transcripts."""

    name = "scenario"
    folders = {"paxos"}

    def rig(self, killer):
        return RIG_CORES

    def command(self, row, killer):
        path = os.path.join("test/scenario", killer + ".txt")
        return [self.runner.program("test/scenario"), path], None

    def search(self, row):
        for path in sorted(glob.glob(os.path.join(ROOT, "test/scenario/*.txt"))):
            killer = os.path.basename(path)[: -len(".txt")]
            outcome = self.repeat(row, killer)
            if outcome:
                return killer, outcome
        return None

    def exists(self, killer):
        return os.path.exists(os.path.join(ROOT, "test/scenario", killer + ".txt"))


class Cores(Layer):
    """Killers are seeds."""

    name = "cores"
    folders = {"paxos"}

    def rig(self, killer):
        return RIG_CORES

    def command(self, row, killer):
        return [self.runner.program("test/unit-paxos"), "chaos: "], {"SEED": killer}

    def search(self, row):
        command, _ = self.command(row.number, "")
        outcome = self.runner.run(row.number, command, {"SEEDS": str(CORES_SEEDS)})
        seed = re.search(r"SEED=(\d+)", outcome.text)
        if not outcome.failed or not seed:
            return None
        again = self.repeat(row, seed[1])
        return (seed[1], again) if again else None

    def cell(self, killer):
        return say_count(killer, "seed")


class Corpora(Layer):
    """Killers are names of fuzz targets."""

    name = "corpora"

    def rig(self, killer):
        return RIG_CORES if killer == "schedule" else f"fuzz {killer}"

    def command(self, row, killer):
        inputs = sorted(glob.glob(os.path.join(ROOT, "test/fuzz/corpus", killer, "*")))
        return [self.runner.program("test/fuzz-replay"), killer, *inputs], None

    def search(self, row):
        for path in sorted(glob.glob(os.path.join(ROOT, "test/fuzz/corpus/*"))):
            killer = os.path.basename(path)
            outcome = self.repeat(row, killer)
            if outcome:
                return killer, outcome
        return None

    def exists(self, killer):
        return os.path.exists(os.path.join(ROOT, "test/fuzz", killer + "_fuzz.c"))


class Simulator(Layer):
    """Killers are `SEED FAILED/SEEDS`: a seed, and how many of the first so many failed."""

    name = "simulator"

    def command(self, row, killer):
        mutant = ["--mutant", str(row)] if row else []
        return [self.runner.program("synod-sim"), "--seed", killer.split()[0]] + mutant, None

    def search(self, row):
        program = self.runner.program("synod-sim")
        for first in range(1, SIMULATOR_SEEDS, SIMULATOR_CHUNK):
            seeds = ["--from", str(first), "--seeds", str(SIMULATOR_CHUNK), *SIMULATOR_FRAME]
            mutant = ["--mutant", str(row.number)]
            outcome = self.runner.run(row.number, [program] + seeds + mutant)
            failed = re.findall(r"^seed (\d+) failed", outcome.text, re.MULTILINE)
            for seed in failed:
                killer = f"{seed} {len(failed)}/{first + SIMULATOR_CHUNK - 1}"
                again = self.repeat(row, killer)
                if again:
                    return killer, again
        return None

    def cell(self, killer):
        seed, failed, seeds = re.split("[ /]", killer)
        return f"{failed} of {seeds} seeds, the first is {seed}"

    def exists(self, killer):
        return re.fullmatch(r"\d+ \d+/\d+", killer) is not None


class Partitions(Layer):
    """Killers are `NAME FAILED/SEEDS`: a partition, and how many of its first seeds failed."""

    name = "partitions"

    def rig(self, killer):
        return Simulator.name  # Only who judges is another: that somebody must go on.

    def command(self, row, killer):
        mutant = ["--mutant", str(row)] if row else []
        partition = ["--scenario", killer.split()[0], "--seeds", str(PARTITION_SEEDS)]
        return [self.runner.program("synod-sim"), *partition, *SIMULATOR_FRAME] + mutant, None

    def search(self, row):
        command, _ = self.command(row.number, "all")
        outcome = self.runner.run(row.number, command)
        failed = re.findall(r"SCENARIO=(\S+) SEED=", outcome.text)
        for name in sorted(set(failed), key=lambda name: -failed.count(name)):
            killer = f"{name} {failed.count(name)}/{PARTITION_SEEDS}"
            again = self.repeat(row, killer)
            if again:
                return killer, again
        return None

    def cell(self, killer):
        name, failed, seeds = re.split("[ /]", killer)
        return f"{name}, {failed} of {seeds} seeds"

    def exists(self, killer):
        return re.fullmatch(r"[a-z-]+ \d+/\d+", killer) is not None


def say_count(digits, noun):
    return f"{int(digits):,} {noun}" + ("" if int(digits) == 1 else "s")


class Explorer(Layer):
    """Killers are `SCOPE STATES`: where a claim broke, and after how many states."""

    name = "explorer"
    folders = {"paxos"}

    def is_there(self):
        return self.runner.has("synod-sim", "explore")

    def command(self, row, killer):
        scope, _, states = killer.partition(" ")
        mutant = ["--mutant", str(row)] if row else []
        command = [self.runner.program("synod-sim"), "explore", "--scope", scope]
        return command + ["--states", str(enough_states(states)), *EXPLORER_FRAME] + mutant, None

    def scopes(self):
        listed = self.runner.run(0, [self.runner.program("synod-sim"), "explore", "--list"])
        return [line.split()[0] for line in listed.text.splitlines() if line.strip()]

    def search(self, row):
        for scope in self.scopes():
            outcome = self.repeat(row, scope)
            if outcome:
                states = re.search(r"^explore: (\d+) states", outcome.text, re.MULTILINE)
                return f"{scope} {states[1] if states else EXPLORER_STATES}", outcome
        return None

    def cell(self, killer):
        scope, states = killer.split()
        return f"{scope}, {say_count(states, 'state')}"

    def exists(self, killer):
        return re.fullmatch(r"[a-z]\w* \d+", killer) is not None


def enough_states(states):
    """A budget to find again what took so many: one of a few, so that few runs are to compare."""
    enough = EXPLORER_STATES // 256
    while enough < EXPLORER_STATES and (not states or enough < 2 * int(states)):
        enough *= 4
    return enough


class Disk(Layer):
    """Killers are states, as `PART/UNIT/NUMBER`."""

    name = "disk"
    folders = {"wal"}

    def is_there(self):
        return self.runner.has("test/disk", "--mutant")

    def command(self, row, killer):
        mutant = ["--mutant", str(row)] if row else []
        return [self.runner.program("test/disk"), "--state", killer] + mutant, None

    def search(self, row):
        every = [self.runner.program("test/disk"), "--jobs", "1", "--mutant", str(row.number)]
        outcome = self.runner.run(row.number, every)
        for killer in re.findall(r" STATE=(\S+)", outcome.text):
            again = self.repeat(row, killer)
            if again:
                return killer, again
        return None

    def exists(self, killer):
        return re.fullmatch(r"[a-z]+/\d+/\d+", killer) is not None


# In the order in which they are tried: first what shares least with any other.
LAYERS = [Explorer, Disk, Simulator, Unit, Partitions, Scenario, Cores, Fault, Corpora]
