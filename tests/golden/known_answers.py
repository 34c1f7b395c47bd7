"""Answers of an oracle that take it long, as digests in a file: once made, they are asked for again only where something differs.

An answer is kept under a digest of everything it depends on: the versions of the oracle, the files it reads and what it was
asked. With ATTUNE_ASK_ORACLES=1 the oracle is always asked, and with ATTUNE_WRITE_ANSWERS=1 what it says is kept too.
"""
import functools
import hashlib
import importlib.metadata
import json
import os
import pathlib


def digest(value):
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()[:24]


@functools.cache
def digest_of_file(path, _changed):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_of_files(path):
    """Of a file, or of the files of a folder, by name."""
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    return digest([[file.name, digest_of_file(file.resolve(), file.stat().st_mtime_ns)] for file in files])


class KnownAnswers:
    def __init__(self, file, packages):
        self.file = pathlib.Path(file)
        self.versions = [[name, importlib.metadata.version(name)] for name in packages]
        self.known = json.loads(self.file.read_text()) if self.file.exists() else {}

    def key(self, *parts):
        return digest([self.versions, *parts])

    def has(self, key, ours):
        """The oracle said this, as far as is known."""
        return not os.environ.get("ATTUNE_ASK_ORACLES") and self.known.get(key) == digest(ours)

    def keep(self, key, theirs):
        if os.environ.get("ATTUNE_WRITE_ANSWERS"):
            self.known[key] = digest(theirs)
            self.file.write_text(json.dumps(dict(sorted(self.known.items())), indent=0) + "\n")
