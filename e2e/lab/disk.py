"""The part of a node's disk that outlives a run: unpacked images. Unpacking and deleting them takes longer than everything else.

A run always leaves dead containers on it; the next run starts by deleting them. An unusable disk is recreated.
"""

import json
import shutil

from lab import machine


class Disk:
    """The disk of one node of one site. Its only user is the holder of the site's record."""

    def __init__(self, site, node):
        self._path = machine.cache() / "e2e" / "disks" / f"{site}-{node}"
        self.root = self._path / "containerd"
        self.root.mkdir(parents=True, exist_ok=True)

    def has(self, archive):
        """Whether it has the image of this archive, and no later one of the same name."""
        return self._noted().get(_image(archive)) == archive.name

    def note(self, archive):
        """Records that it has the image of this archive."""
        part = self._notes().with_suffix(".part")
        part.write_text(json.dumps({**self._noted(), _image(archive): archive.name}))
        part.replace(self._notes())

    def wipe(self):
        """Deletes everything."""
        # The notes first: the images they name must exist.
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
    """The name of the image; it has an archive for every content."""
    return archive.stem.rsplit("-", 1)[0]
