"""A small file system, to be filled: a tmpfs, which only root may mount."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

SIZE = 96 << 20
_PIECE = 1 << 20


class NoDisk(RuntimeError):  # noqa: N818 - the name says what is the matter
    """No file system can be mounted here; the text says why."""


class SmallDisk:
    """A file system of `SIZE` bytes at a folder.

    Args:
        folder: where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the folder; nothing is mounted yet."""
        self.folder = folder
        self._filler = folder / "filler"

    def mount(self) -> SmallDisk:
        """Mount it.

        Raises:
            NoDisk: this user may not, or this machine cannot.
        """
        program = shutil.which("mount")
        if program is None:
            raise NoDisk("there is no program `mount`")
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [program, "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(self.folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise NoDisk(done.stderr.strip() or f"mount ended with code {done.returncode}")
        return self

    def unmount(self) -> None:
        """Unmount it; what it held is gone."""
        subprocess.run(["umount", str(self.folder)], check=True)  # noqa: S607 - Linux' own

    def fill(self) -> None:
        """Take all the space that is left."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (_PIECE, 4096, 1):
                try:
                    while file.write(b"\0" * size):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink(missing_ok=True)
