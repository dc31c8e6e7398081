//! The command line: arguments to a plan, words for a person, an exit code for a batch.
//!
//! The only module that prints, reads the environment and picks an exit code.

mod case;
mod exit;
mod hashset;
mod list;
mod machine;
mod object;
mod opts;
mod plan;
mod scan;
mod terminal;
mod verify;

use clap::Parser as _;

use exit::Exit;
use opts::{Command, Opts};
use terminal::Terminal;

use crate::worker;

/// Runs the program on the arguments of its process.
///
/// ```no_run
/// std::process::exit(i32::from(assay::cli::main()));
/// ```
pub fn main() -> u8 {
    // Before anything else: a worker confines itself before its first thread. Not an option, so
    // not in the help; without the socket of a running `assay` it ends at once.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == worker::ARGUMENT) {
        return worker::serve(arguments);
    }
    let opts = match Opts::try_parse() {
        Ok(opts) => opts,
        Err(error) => {
            // Help and version are no errors; they come this way too. A closed output is no
            // reason for another code.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.code() } else { 0 };
        }
    };
    let terminal = Terminal::new(&opts.output);
    let exit = match &opts.command {
        Command::Scan(scan) => scan::scan(scan, &terminal),
        Command::List(opts) => list::list(opts, &terminal),
        Command::Object(opts) => object::object(opts, &terminal),
        Command::Hashset(opts) => hashset::hashset(opts, &terminal),
        Command::Verify(verify) => verify::verify(verify, &terminal),
    };
    exit.code()
}

/// The whole chain of an error's causes as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
