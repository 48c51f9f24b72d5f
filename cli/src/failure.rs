//! Why a command did not do what it should, and the exit code of each reason.

use std::io::{self, Write};
use std::process::ExitCode;

/// One sentence for whoever typed the command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The caller's mistake.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers, or somebody who is no coordinator.
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    TokenRefused(String),
    /// The coordinator said no, or what was asked for did not happen.
    #[error("{0}")]
    Denied(String),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Says it, and turns it into an exit code: of sysexits, where one fits.
    pub(crate) fn tell(ended: Result<(), Self>) -> ExitCode {
        let code = match &ended {
            Ok(()) => return ExitCode::SUCCESS,
            // Whoever read has seen enough, as with `| head`.
            Err(Self::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Err(Self::Usage(_)) => 64,
            Err(Self::Unreachable(_)) => 69,
            Err(Self::TokenRefused(_)) => 77,
            Err(Self::Denied(_) | Self::Output(_)) => 1,
        };
        if let Err(failure) = ended {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(io::stderr(), "{failure}");
        }
        ExitCode::from(code)
    }
}
