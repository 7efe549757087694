//! Real sandboxes, as root: what is inside equals what docker gives, and nothing of it is left outside.
//!
//! The guard of a sandbox is this executable again, so `main` is ours; the arguments are those of a test
//! binary as far as they are used: a filter, `--list`, `--exact` and what can be ignored.
#![expect(clippy::print_stdout, reason = "a test harness reports")]

mod devices;
mod kill;
mod limits;
mod mounts;
mod options;
mod process;
mod roots;
mod sources;
mod streams;
mod stubs;
mod support;
mod terminal;

use std::io::Write;
use std::panic::catch_unwind;
use std::process::ExitCode;

type Case = (&'static str, fn());

fn cases() -> Vec<Case> {
    [
        process::CASES,
        mounts::CASES,
        sources::CASES,
        options::CASES,
        devices::CASES,
        limits::CASES,
        stubs::CASES,
        roots::CASES,
        streams::CASES,
        terminal::CASES,
        kill::CASES,
    ]
    .concat()
}

fn main() -> ExitCode {
    runner::init_if_child();
    kill::run_if_helper();
    devices::probe_if_helper();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    let exact = args.iter().any(|arg| arg == "--exact");
    let wanted =
        |name: &str| filter.is_none_or(|f| if exact { name == f } else { name.contains(f.as_str()) });
    let cases: Vec<Case> = cases().into_iter().filter(|(name, _)| wanted(name)).collect();
    if args.iter().any(|arg| arg == "--list") {
        cases.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", cases.len());
    let mut failed = 0;
    for (name, case) in &cases {
        print!("test {name} ... ");
        std::io::stdout().flush().expect("standard output is open");
        let passed = catch_unwind(case).is_ok();
        println!("{}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {verdict}. {} passed; {} failed\n", cases.len() - failed, failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
