//! Real containers, as root: what `run` does with an image, and what it leaves in the store.
//!
//! The guard of a sandbox is this executable again, so `main` is ours; of a test binary's arguments it knows the
//! filter, `--list` and `--exact`.
#![expect(clippy::print_stdout, reason = "a test harness reports")]

mod lifecycle;
mod mounts;
mod process;
mod support;
mod volumes;

use std::io::Write;
use std::panic::catch_unwind;
use std::process::ExitCode;

type Case = (&'static str, fn());

fn main() -> ExitCode {
    runner::init_if_child();
    lifecycle::run_if_helper();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    let exact = args.iter().any(|arg| arg == "--exact");
    let wanted =
        |name: &str| filter.is_none_or(|f| if exact { name == f } else { name.contains(f.as_str()) });
    let cases = [process::CASES, volumes::CASES, lifecycle::CASES, mounts::CASES].concat();
    let cases: Vec<Case> = cases.into_iter().filter(|(name, _)| wanted(name)).collect();
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
    println!("test result: {verdict}. {} passed; {failed} failed\n", cases.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
