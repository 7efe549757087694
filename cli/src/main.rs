//! `lapstrake`: builds OCI images from Dockerfiles and runs them. Text in, text out; [`engine`] does the work.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod diagnostics;
mod env;
mod error;
mod format;
mod known;
mod log;
mod output;
mod progress;
mod request;
mod signals;
mod table;
mod template;
mod visible;

fn main() -> ! {
    // A sandbox is set up by this executable, started again: then nothing of what follows may run.
    runner::init_if_child();
    std::process::exit(commands::main(&env::Env::read()))
}
