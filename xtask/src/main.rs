//! Chores of the workspace: `cargo xtask tidy`, `cargo xtask compare [PROJECT…]`, `cargo xtask record ADDRESS [CASE…]`.
#![forbid(unsafe_code)]

mod compare;
mod record;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "a chore talks to its developer")]
fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let args: Vec<String> = std::env::args().skip(1).collect();
    let found = match args.split_first() {
        Some((chore, [])) if chore == "tidy" => tidy::findings(&root),
        Some((chore, projects)) if chore == "compare" => compare::run(&root, projects),
        Some((chore, args)) if chore == "record" => record::run(&root, args),
        _ => {
            eprintln!("usage: cargo xtask tidy | compare [PROJECT…] | record ADDRESS [CASE…]");
            return ExitCode::from(2);
        }
    };
    match found {
        Ok(found) if found.is_empty() => ExitCode::SUCCESS,
        Ok(found) => {
            found.iter().for_each(|finding| eprintln!("{finding}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
