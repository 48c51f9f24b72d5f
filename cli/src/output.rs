//! What goes to standard output, as a table or as the coordinator's own JSON.

use std::io::{self, Write};

use serde_json::value::RawValue;

use crate::command::Format;
use crate::failure::Failure;

/// Standard output in a format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// The JSON as it is, or what `table` makes of it.
    pub(crate) fn show(self, json: &str, table: impl FnOnce() -> Result<String, Failure>) -> Result<(), Failure> {
        if self.is_json() { self.text(&format!("{json}\n")) } else { self.text(&table()?) }
    }

    /// A list, likewise.
    pub(crate) fn show_all(
        self,
        list: &[Box<RawValue>],
        table: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        self.show(&array(list), table)
    }

    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Something to read while waiting; it does not mix with the answer.
    pub(crate) fn progress(self, line: &str) {
        // Nobody is left to tell when stderr is closed.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// One array of what came in several.
pub(crate) fn array(list: &[Box<RawValue>]) -> String {
    format!("[{}]", list.iter().map(|value| value.get()).collect::<Vec<_>>().join(","))
}
