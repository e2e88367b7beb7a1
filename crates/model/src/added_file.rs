//! Files that sessions add for their functions.

use serde::{Deserialize, Serialize};

/// A file that a program has added for its functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedFile {
    /// What is made of it.
    pub kind: FileKind,
    /// Its path below the directory of files; that of an archive may end in `#` and another name.
    pub name: String,
    /// The hash of its bytes, by which executors fetch them.
    pub hash: String,
}

/// What is made of an added file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// It is found by its name.
    File,
    /// Functions import from it.
    Python,
    /// It is unpacked into a directory.
    Archive,
}

impl FileKind {
    /// The path below the directory of files of one with this name.
    pub fn place(self, name: &str) -> &str {
        match (self, name.rsplit_once('#')) {
            (Self::Archive, Some((_, place))) => place,
            (Self::Archive, None) | (Self::File | Self::Python, _) => name,
        }
    }
}

impl AddedFile {
    /// The setting with which the files of a session, as JSON, reach its tasks: equal functions
    /// with other files are not the same computation.
    pub const SETTING: &str = "firesteel.addedFiles";

    /// Its path below the directory of files: an archive is a directory there.
    pub fn place(&self) -> &str {
        self.kind.place(&self.name)
    }

    /// Whether its place is below the directory of files.
    pub fn is_safe(&self) -> bool {
        self.place().split('/').all(|part| !matches!(part, "" | "." | ".."))
    }

    /// Whether it is itself an entry of the Python path.
    pub fn is_importable(&self) -> bool {
        let packages = [".zip", ".egg", ".jar"];
        self.kind == FileKind::Python && packages.iter().any(|end| self.name.ends_with(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_unpacked_where_its_name_says() {
        use FileKind::{Archive, File, Python};
        for (kind, name, place, safe, importable) in [
            (File, "a#b.zip", "a#b.zip", true, false),
            (File, "a/b.txt", "a/b.txt", true, false),
            (Python, "a.py", "a.py", true, false),
            (Python, "a.zip", "a.zip", true, true),
            (Archive, "a.zip", "a.zip", true, false),
            (Archive, "a.tar.gz#env", "env", true, false),
            (Archive, "a.tar.gz#../env", "../env", false, false),
            (Archive, "a.tar.gz#", "", false, false),
        ] {
            let file = AddedFile { kind, name: name.to_owned(), hash: String::new() };
            let found = (file.place(), file.is_safe(), file.is_importable());
            assert_eq!(found, (place, safe, importable), "{name}");
        }
    }
}
