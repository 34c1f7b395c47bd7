"""Starts of the program that cost next to nothing.

To load libtorch takes 0.3 s of processor time, and the tests start the program thousands of times. What a test runs and waits
for (`subprocess.run` of the program, with nothing about its process but folder, environment and streams) is therefore forked
from a process that has loaded it and nothing else: a preloaded library (helpers/warm) holds it before the program's own
first instruction. What a test starts with `subprocess.Popen`, to signal, kill or watch it, or with limits, is a process of its
own as ever; so is everything with ATTUNE_COLD=1, where the helpers are not built, and in tests marked `cold`.
"""
import os
import pathlib
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
HELPERS = pathlib.Path(os.environ.get("ATTUNE_HELPERS", ROOT / "build/tests/helpers"))
CLIENT, LIBRARY = HELPERS / "attune_warm", HELPERS / "attune_warm_server.so"
# What a fork can be given; other options of subprocess.run ask for a process of its own.
GIVEN = {"input", "stdin", "stdout", "stderr", "capture_output", "text", "encoding", "errors", "check", "timeout", "cwd", "env"}


class Server:
    """A process that has loaded what the program loads, and waits."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="attune-warm-")
        self.socket = os.path.join(self.folder.name, "socket")
        environment = {**os.environ, "LD_PRELOAD": str(LIBRARY.resolve()), "ATTUNE_WARM_SOCKET": self.socket}
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env=environment)
        while self.process.poll() is None and not os.path.exists(self.socket):
            time.sleep(0.01)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


class WarmRuns:
    """While it is installed, `subprocess.run` of the program is a warm start."""

    def __init__(self):
        self.run, self.server, self.cold = subprocess.run, None, False
        subprocess.run = self.warm_run

    def warm_run(self, *arguments, **options):
        words = arguments[0] if len(arguments) == 1 else None
        if self.cold or not isinstance(words, list) or str(words[0]) != PROGRAM or not options.keys() <= GIVEN:
            return self.run(*arguments, **options)
        self.server = self.server or Server()
        environment = {**(options.pop("env", None) or os.environ),
                       "ATTUNE_WARM_SOCKET": self.server.socket, "ATTUNE_WARM_PROGRAM": os.path.abspath(PROGRAM)}
        return self.run([str(CLIENT.resolve()), *words[1:]], env=environment, **options)

    def close(self):
        subprocess.run = self.run
        if self.server:
            self.server.close()


def installed():
    """The warm runs, or None where every start is one from nothing."""
    wanted = not os.environ.get("ATTUNE_COLD") and CLIENT.exists() and LIBRARY.exists()
    return WarmRuns() if wanted else None
