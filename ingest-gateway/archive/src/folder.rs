//! The directory of one recording: its files by their names, opened at most so many at a time.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use velella_recording::FileName;

/// Most files of a recording that are open at once.
const OPEN_MAX: usize = 64;

/// Behind the name of a file that is not whole yet.
const PART: &str = ".part";

/// The directory of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &FileName) -> PathBuf {
        self.0.join(name.to_string())
    }

    /// `None` when there is no such file.
    pub(crate) fn read(&self, name: &FileName) -> io::Result<Option<Vec<u8>>> {
        there(fs::read(self.file(name)))
    }

    /// In bytes; `None` when there is no such file.
    pub(crate) fn length(&self, name: &FileName) -> io::Result<Option<u64>> {
        Ok(there(fs::metadata(self.file(name)))?.map(|about| about.len()))
    }

    /// Files of a recording, in the order of their names. What has another name is not looked at.
    pub(crate) fn names(&self) -> io::Result<Vec<FileName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()));
        }
        names.sort();
        Ok(names)
    }

    /// Writes a whole file, which is there with all of it or not at all, whatever happens meanwhile.
    pub(crate) fn replace(&self, name: &FileName, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let part = self.0.join(format!("{name}{PART}"));
        let written = File::create(&part).and_then(|mut file| {
            write(&mut file)?;
            file.sync_all()
        });
        if written.is_err() {
            // It takes space, which may be what is missing.
            let _ = fs::remove_file(&part);
        }
        written?;
        fs::rename(&part, self.file(name))?;
        self.sync()
    }

    pub(crate) fn replace_text(&self, name: &FileName, text: &str) -> io::Result<()> {
        self.replace(name, |file| file.write_all(text.as_bytes()))
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &FileName) -> io::Result<()> {
        there(fs::remove_file(self.file(name))).map(drop)
    }

    /// Makes the names of its files outlast a crash.
    pub(crate) fn sync(&self) -> io::Result<()> {
        sync_directory(&self.0)
    }
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// `None` for what is not there.
pub(crate) fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Files of a folder that were opened. When there are too many, all are closed.
#[derive(Debug, Default)]
pub(crate) struct Open(BTreeMap<FileName, File>);

impl Open {
    /// To append to; made when it is not there. Whether it is new comes with it.
    pub(crate) fn append(&mut self, folder: &Folder, name: &FileName) -> io::Result<(&mut File, bool)> {
        let path = folder.file(name);
        let mut made = false;
        let file = self.get(name, || {
            made = !path.exists();
            OpenOptions::new().append(true).create(true).open(path)
        })?;
        Ok((file, made))
    }

    pub(crate) fn read(&mut self, folder: &Folder, name: &FileName) -> io::Result<&mut File> {
        self.get(name, || File::open(folder.file(name)))
    }

    pub(crate) fn close_all(&mut self) {
        self.0.clear();
    }

    fn get(&mut self, name: &FileName, open: impl FnOnce() -> io::Result<File>) -> io::Result<&mut File> {
        if !self.0.contains_key(name) {
            let file = open()?;
            if self.0.len() == OPEN_MAX {
                self.0.clear();
            }
            self.0.insert(name.clone(), file);
        }
        self.0.get_mut(name).ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    }
}
