"""Unpacks archives: `.zip`, `.jar` and (compressed) `.tar` files.

Nothing of an archive may lie, or lead, outside of the directory that it is unpacked into: an archive with such a member is refused as a whole,
before anything is written. Not all versions of Python check that.
"""

import os
import re
import stat
import tarfile
import zipfile
from typing import Dict, List, NamedTuple, Optional, Tuple

# Links that are followed in one path before it counts as a loop.
_MOST_LINKS = 40
# Packed environments have links to the interpreter of the machine: `bin/python` to `/usr/bin/python3`.
_INTERPRETER = re.compile(r"(python|pypy)[0-9.]*")

_Parts = Tuple[str, ...]


class _Member(NamedTuple):
    """A member of an archive: what it is, and where it leads if it is a link."""

    name: str
    kind: str  # "file", "directory", "link", "hard link", or something else
    target: str = ""


def unpack(archive: str, directory: str) -> None:
    """Unpacks an archive into a new directory; a directory is linked as it is."""
    if os.path.isdir(archive):
        os.symlink(archive, directory)
    elif zipfile.is_zipfile(archive):
        _unpack_zip(archive, directory)
    elif tarfile.is_tarfile(archive):
        _unpack_tar(archive, directory)
    else:
        raise ValueError(f"{archive} is neither a zip nor a tar archive")


def _unpack_zip(archive: str, directory: str) -> None:
    with zipfile.ZipFile(archive) as file:
        members = [(info, _of_zip(file, info)) for info in file.infolist()]
        _check(archive, [member for _, member in members])
        os.mkdir(directory)
        for info, member in members:
            if member.kind == "link":
                path = os.path.join(directory, *_parts(member.name))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.symlink(member.target, path)
                continue
            path = file.extract(info, directory)
            mode = info.external_attr >> 16 & 0o755
            if mode and not info.is_dir():
                os.chmod(path, mode)


def _of_zip(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return _Member(info.filename, "link", os.fsdecode(file.read(info)))
    if info.is_dir():
        return _Member(info.filename.rstrip("/") or "/", "directory")
    return _Member(info.filename, "file" if kind in (0, stat.S_IFREG) else "other")


def _unpack_tar(archive: str, directory: str) -> None:
    with tarfile.open(archive) as file:
        members = file.getmembers()
        _check(archive, [_of_tar(member) for member in members])
        for member in members:
            member.mode &= 0o755
        os.mkdir(directory)
        # Python's own check beside ours, where it has one. `data` would refuse links to interpreters.
        filtered = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
        file.extractall(directory, members, **filtered)


def _of_tar(member: tarfile.TarInfo) -> _Member:
    if member.issym():
        return _Member(member.name, "link", member.linkname)
    if member.islnk():
        return _Member(member.name, "hard link", member.linkname)
    kind = "directory" if member.isdir() else "file" if member.isreg() else "other"
    return _Member(member.name, kind)


def _check(archive: str, members: List[_Member]) -> None:
    """Refuses an archive for its first bad member."""
    links = {_parts(member.name): member for member in members if member.kind == "link"}
    seen = set()
    for member in members:
        problem = _problem(member, links)
        parts = _parts(member.name)
        if problem is None and parts in links and parts in seen:
            problem = "is there twice, once as a link"
        if problem is not None:
            raise ValueError(f"{archive} is refused: its member {member.name!r} {problem}")
        seen.add(parts)


def _problem(member: _Member, links: Dict[_Parts, _Member]) -> Optional[str]:
    if member.kind == "other":
        return "is a device or a pipe"
    if _is_outside(member.name):
        return "lies outside of the directory that it is unpacked into"
    parts = _parts(member.name)
    if any(parts[:end] in links for end in range(1, len(parts))):
        return "lies below a link"
    hard = member.kind == "hard link"
    if (member.kind == "link" and _leads_outside(parts, links)) or (
        hard and (_is_outside(member.target) or _leads_outside(_parts(member.target), links))
    ):
        return f"leads to {member.target!r}, outside of the directory that it is unpacked into"
    return None


def _parts(name: str) -> _Parts:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _is_outside(name: str) -> bool:
    return name.startswith("/") or ".." in _parts(name)


def _leads_outside(parts: _Parts, links: Dict[_Parts, _Member]) -> bool:
    """Whether a path leaves the directory if the links of the archive are followed."""
    ahead = list(reversed(parts))
    here: List[str] = []
    followed = 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            if not here:
                return True
            here.pop()
            continue
        here.append(part)
        link = links.get(tuple(here))
        if link is None:
            continue
        followed += 1
        if link.target.startswith("/"):
            return bool(ahead) or not _is_to_interpreter(link)
        if followed > _MOST_LINKS:
            return False  # a loop leads nowhere
        here.pop()
        ahead.extend(reversed(_parts(link.target)))
    return False


def _is_to_interpreter(link: _Member) -> bool:
    name, target = _parts(link.name), _parts(link.target)
    return (
        name[-2:-1] == ("bin",)
        and target[-2:-1] == ("bin",)
        and bool(_INTERPRETER.fullmatch(name[-1]))
        and bool(_INTERPRETER.fullmatch(target[-1]))
        and ".." not in target
    )
