"""Archives that a program brings are unpacked below their directory and nowhere else."""

import io
import os
import pathlib
import stat
import sys
import tarfile
import zipfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from firesteel.archives import unpack  # noqa: E402

# What is in an archive, in order: name, type, and content or target.
FILE, DIRECTORY, LINK, HARD, DEVICE, PIPE = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE
TYPES_OF_ZIP = {FILE: stat.S_IFREG, DIRECTORY: stat.S_IFDIR, LINK: stat.S_IFLNK, DEVICE: stat.S_IFCHR, PIPE: stat.S_IFIFO}


def packed_tar(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o6777 if kind == FILE else 0o755
            if kind in (LINK, HARD):
                member.linkname = content
            member.size = len(content) if kind == FILE else 0
            file.addfile(member, io.BytesIO(content.encode()))


def packed_zip(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, kind, content in members:
            info = zipfile.ZipInfo(name + "/" * (kind == DIRECTORY))
            info.create_system, info.external_attr = 3, (TYPES_OF_ZIP[kind] | 0o777) << 16
            file.writestr(info, content)


@pytest.fixture(params=["with filters", "without filters"])
def python(request, monkeypatch):
    """Versions of Python with filters for tar files, and (before 3.11.4) without."""
    if request.param == "without filters":
        monkeypatch.delattr(tarfile, "tar_filter", raising=False)
        extract = tarfile.TarFile.extractall
        trusted = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
        monkeypatch.setattr(tarfile.TarFile, "extractall", lambda *arguments: extract(*arguments, **trusted))


PACKERS = pytest.mark.parametrize("pack", [packed_tar, packed_zip])

OUTSIDE = "lies outside of the directory"
LEADS = "outside of the directory"
REFUSED = [
    # members, the one that is refused, why
    ([("../x", FILE, "")], "../x", OUTSIDE),
    ([("a/../../x", FILE, "")], "a/../../x", OUTSIDE),
    ([("/etc/x", FILE, "")], "/etc/x", OUTSIDE),
    ([("../d", DIRECTORY, "")], "../d", OUTSIDE),
    ([("ok", FILE, ""), ("l", LINK, "/etc/passwd")], "l", "leads to '/etc/passwd'"),
    ([("l", LINK, "..")], "l", "leads to '..'"),
    ([("d/l", LINK, "../../x")], "d/l", LEADS),
    # Through other links, also those that come later.
    ([("x", LINK, "l/.."), ("l", LINK, ".")], "x", LEADS),
    ([("d/e", DIRECTORY, ""), ("l", LINK, "d/e"), ("x", LINK, "l/../../../y")], "x", LEADS),
    ([("l", LINK, "d"), ("l/x", FILE, "")], "l/x", "lies below a link"),
    ([("bin/python", LINK, "/usr/bin/python3"), ("bin/python/x", FILE, "")], "bin/python/x", "lies below a link"),
    ([("bin/python", LINK, "/usr/bin/python3"), ("bin/python", FILE, "")], "bin/python", "is there twice"),
    ([("bin/python", LINK, "/etc/passwd")], "bin/python", LEADS),
    ([("bin/python", LINK, "/usr/../bin/python3")], "bin/python", LEADS),
    ([("lib/python", LINK, "/usr/bin/python3")], "lib/python", LEADS),
    ([("bin/tool", LINK, "/usr/bin/python3")], "bin/tool", LEADS),
    ([("bin/python", LINK, "/usr/bin/python3"), ("x", LINK, "bin/python/../../y")], "x", LEADS),
    ([("dev", DEVICE, "")], "dev", "is a device or a pipe"),
    ([("pipe", PIPE, "")], "pipe", "is a device or a pipe"),
    # Only tar files have these.
    ([("h", HARD, "/etc/passwd")], "h", LEADS),
    ([("h", HARD, "../x")], "h", LEADS),
    ([("bin/python", LINK, "/usr/bin/python3"), ("h", HARD, "bin/python/x")], "h", LEADS),
]


@PACKERS
@pytest.mark.parametrize(("members", "refused", "why"), REFUSED)
def test_what_lies_or_leads_outside_is_refused(tmp_path, python, pack, members, refused, why):
    if pack is packed_zip and any(kind == HARD for _, kind, _ in members):
        pytest.skip("zip files have no hard links")
    archive = tmp_path / "archive"
    pack(archive, [("first", FILE, "1"), *members])
    with pytest.raises(ValueError) as caught:
        unpack(str(archive), str(tmp_path / "to"))
    assert str(caught.value).startswith(f"{archive} is refused: its member {refused!r} ")
    assert why in str(caught.value)
    assert os.listdir(tmp_path) == ["archive"]


@PACKERS
def test_what_environments_have_is_unpacked(tmp_path, python, pack):
    members = [
        ("./bin/python3", LINK, "/usr/bin/python3"),
        ("bin/python", LINK, "python3"),
        ("lib/a.py", FILE, "A = 1"),
        ("lib64", LINK, "lib"),
        ("lib/self", LINK, "../lib64/a.py"),
        ("loop", LINK, "loop"),
        ("empty", DIRECTORY, ""),
        ("bin/tool", FILE, "#!"),
    ]
    pack(tmp_path / "archive", members)
    to = tmp_path / "to"
    unpack(str(tmp_path / "archive"), str(to))
    assert os.readlink(to / "bin/python3") == "/usr/bin/python3"
    assert os.readlink(to / "bin/python") == "python3"
    assert (to / "lib64/self").read_text() == (to / "lib/a.py").read_text() == "A = 1"
    assert (to / "empty").is_dir()
    # Neither for other users nor with the rights of another one.
    assert stat.S_IMODE((to / "bin/tool").stat().st_mode) == 0o755


def test_hard_links_within_an_archive_are_unpacked(tmp_path, python):
    packed_tar(tmp_path / "archive", [("a", FILE, "1"), ("d/b", HARD, "a")])
    unpack(str(tmp_path / "archive"), str(tmp_path / "to"))
    assert (tmp_path / "to/d/b").read_text() == "1"


def test_what_is_no_archive_is_refused_and_a_directory_is_linked(tmp_path):
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="text is neither a zip nor a tar archive"):
        unpack(str(tmp_path / "text"), str(tmp_path / "to"))
    unpack(str(tmp_path), str(tmp_path / "to"))
    assert (tmp_path / "to/text").read_text() == "text"
