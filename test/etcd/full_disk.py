#!/usr/bin/env python3
"""full_disk.py -- a member whose disk runs full, and is given room again.

usage: unshare -rm test/etcd/full_disk.py BUILD

Mounts a small file system of its own, which is why it wants a mount namespace of its own. Prints
what failed, and last one line: N passed, N failed.
"""

import os
import subprocess
import sys

sys.dont_write_bytecode = True
from rig import Checks, Folder, Server, free_ports, run, wait_until  # noqa: E402

FULL_MIB = 24
ROOMY_MIB = 256
VALUE = "x" * 100_000
PUTS_MAX = 1000  # Far more than FULL_MIB hold.


def put_until_refused(synod, server):
    """How many puts were acknowledged, and what the first said that was not."""
    for i in range(PUTS_MAX):
        code, out, err = run([*synod, "put", f"key-{i:04}", VALUE, "--endpoints", server.client])
        if code != 0:
            return i, err
    return PUTS_MAX, ""


def main():
    checks = Checks()
    synod = [os.path.join(os.path.abspath(sys.argv[1]), "synod")]
    with Folder() as folder:
        disk = os.path.join(folder, "disk")
        os.mkdir(disk, 0o700)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={FULL_MIB}m,mode=700", "tmpfs", disk]
        subprocess.run(mount, check=True)
        server = Server([*synod, "server"], "a", folder, free_ports(2))
        server.data_dir = os.path.join(disk, "a")
        alone = f"a=http://{server.peer}"
        try:
            server.start(alone)
            checks.check(wait_until(server.is_healthy), "a member alone", server.log_text())
            count, refusal = put_until_refused(synod, server)
            checks.check(0 < count < PUTS_MAX, f"the disk ran full after {count} puts", refusal)
            checks.check(wait_until(lambda: not server.is_running()), "then the member ends")
            checks.check(server.process.returncode == 1, "with status 1", server.log_text())
            checks.check("No space left on device" in server.log_text(), "and says why",
                         server.log_text())
            server.start(alone)
            checks.check(wait_until(lambda: not server.is_running()), "nor does it start",
                         server.log_text())
            subprocess.run(["mount", "-o", f"remount,size={ROOMY_MIB}m", disk], check=True)
            server.start(alone)
            checks.check(wait_until(server.is_healthy), "with room again, it starts",
                         server.log_text())
            _, out, err = run([*synod, "get", "--prefix", "key-", "--count-only", "--endpoints",
                               server.client])
            checks.check(out.strip().isdigit() and int(out) in (count, count + 1),
                         f"it holds all {count} that were acknowledged", out + err)
        finally:
            if server.is_running():
                server.end()
            subprocess.run(["umount", disk], check=True)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
