//! The `assay` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(assay::cli::main())
}
