"""The persistent part of a node's disk: unpacked images, kept between runs because unpacking and deleting them is the slowest step.

Every run leaves dead containers on it, which the next run deletes first. An unusable disk is recreated.
"""

import json
import shutil

from lab import machine


class Disk:
    """The disk of one node of one site. It is only used by the owner of the site's record."""

    def __init__(self, site, node):
        self._path = machine.cache() / "e2e" / "disks" / f"{site}-{node}"
        self.root = self._path / "containerd"
        self.root.mkdir(parents=True, exist_ok=True)

    def has(self, archive):
        """Whether the disk has the image of this archive, not replaced by a later one of the same name."""
        return self._noted().get(_image(archive)) == archive.name

    def note(self, archive):
        """Records that the disk has the image of this archive."""
        part = self._notes().with_suffix(".part")
        part.write_text(json.dumps({**self._noted(), _image(archive): archive.name}))
        part.replace(self._notes())

    def wipe(self):
        """Deletes everything."""
        # The list of images first: it must only contain images that exist.
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
    """The image name; an image has one archive per content hash."""
    return archive.stem.rsplit("-", 1)[0]
