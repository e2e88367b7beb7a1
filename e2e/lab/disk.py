"""What of a node's disk outlives a run: images, unpacked. Unpacking them, and deleting what was unpacked, takes longer than all else.

A run that ends, however it ends, leaves containers in it that nothing runs; the next run on it begins by forgetting them. A disk that
cannot be used is made anew.
"""

import json
import shutil

from lab import machine


class Disk:
    """The disk of one node of one site. Whoever holds the record of the site is its only user."""

    def __init__(self, site, node):
        self._path = machine.cache() / "e2e" / "disks" / f"{site}-{node}"
        self.root = self._path / "containerd"
        self.root.mkdir(parents=True, exist_ok=True)

    def has(self, archive):
        """Whether the image of this archive is there, and no later one of the same name."""
        return self._noted().get(_image(archive)) == archive.name

    def note(self, archive):
        """Writes down that the image of this archive is there."""
        part = self._notes().with_suffix(".part")
        part.write_text(json.dumps({**self._noted(), _image(archive): archive.name}))
        part.replace(self._notes())

    def wipe(self):
        """Forgets everything."""
        # The notes first: what they name must be there.
        self._notes().unlink(missing_ok=True)
        shutil.rmtree(self.root)
        self.root.mkdir()

    def _notes(self):
        return self._path / "images.json"

    def _noted(self):
        try:
            return json.loads(self._notes().read_text())
        except (OSError, ValueError):
            return {}


def _image(archive):
    """The name of the image, of which there is an archive for every content."""
    return archive.stem.rsplit("-", 1)[0]
