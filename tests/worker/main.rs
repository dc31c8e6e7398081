//! Workers that misbehave, against the pool that has to live with them.
//!
//! A runner of its own instead of the usual harness: started with the worker's first argument,
//! this program is a worker whose "decoder" does what the content says. So no stub is part of the
//! product, and everything else (start, sandbox, protocol, limits) is the product's.

#![allow(clippy::disallowed_methods, reason = "tests make and read their own files")]
#![allow(clippy::print_stdout, reason = "the runner's report")]

mod ends;
mod expand;
mod hostile;
mod pool;
mod protocol;
mod stub;

use std::panic::catch_unwind;
use std::process::ExitCode;

use assay::worker;

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next();
    if first.as_ref().is_some_and(|first| first == worker::ARGUMENT) {
        return ExitCode::from(worker::serve_with(arguments, stub::decoders()));
    }
    if first.is_some_and(|first| first == pool::ENDED_PROGRAM) {
        pool::be_ended();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let tests: Vec<Test> =
        [pool::TESTS, expand::TESTS, ends::TESTS, protocol::TESTS, hostile::TESTS].concat();
    let chosen = |name: &str| filter.is_none_or(|filter| name.contains(filter.as_str()));
    let tests: Vec<_> = tests.into_iter().filter(|(name, _)| chosen(name)).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    for (name, test) in &tests {
        let begun = std::time::Instant::now();
        let good = catch_unwind(test).is_ok();
        failed += u32::from(!good);
        let word = if good { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({:.1} s)", begun.elapsed().as_secs_f64());
    }
    println!("{} tests, {failed} failed", tests.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
