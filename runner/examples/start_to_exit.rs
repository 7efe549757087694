//! How long a sandbox takes from start to exit: a static busybox runs `true` over an overlay.
//!
//! `cargo run --release --package runner --example start_to_exit [host|none] [times]`, as root.
#![expect(clippy::print_stdout, reason = "a measurement is for reading")]

use oci::mount::RootMount;
use runner::spec::{Network, Spec, User};
use runner::{Io, Sandbox, Stream, caps};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    runner::init_if_child();
    let mut args = std::env::args().skip(1);
    let network = if args.next().as_deref() == Some("none") { Network::None } else { Network::Host };
    let times: usize = args.next().map_or(Ok(200), |times| times.parse())?;
    let store = tempfile::tempdir_in("/var/tmp")?;
    let layer = store.path().join("layer");
    fs::create_dir_all(layer.join("bin"))?;
    fs::copy("/bin/busybox", layer.join("bin/busybox"))?;
    symlink("busybox", layer.join("bin/true"))?;
    let mut taken = Vec::with_capacity(times);
    for number in 0..times {
        let spec = spec(store.path(), &layer, number, network)?;
        let start = Instant::now();
        let mut running = Sandbox::spawn(&spec, Io { stdout: Stream::Inherit, ..Io::default() })?;
        let started = start.elapsed();
        running.wait()?;
        taken.push((start.elapsed(), started));
        fs::remove_dir_all(&spec.scratch)?;
    }
    taken.sort();
    let micros = |at: usize| (taken[at].0.as_micros(), taken[at].1.as_micros());
    println!("start to exit, and to exec, in microseconds, {times} times:");
    println!(
        "min {:?} median {:?} p90 {:?} max {:?}",
        micros(0),
        micros(times / 2),
        micros(times * 9 / 10),
        micros(times - 1)
    );
    Ok(())
}

fn spec(store: &Path, layer: &Path, number: usize, network: Network) -> std::io::Result<Spec> {
    let scratch = store.join(format!("scratch-{number}"));
    let (upper, work) = (store.join(format!("upper-{number}")), store.join(format!("work-{number}")));
    for dir in [&scratch, &upper, &work] {
        fs::create_dir(dir)?;
    }
    Ok(Spec {
        id: format!("bench-{}-{number}", std::process::id()),
        root: RootMount::Overlay { lower: vec![layer.to_owned()], upper, work },
        scratch,
        read_only_root: false,
        argv: vec!["/bin/true".to_owned()],
        env: vec![],
        cwd: "/".to_owned(),
        user: User::default(),
        hostname: "bench".to_owned(),
        network,
        mounts: vec![],
        capabilities: caps::default_names(),
        seccomp: true,
        no_new_privileges: false,
        remove_stubs: true,
        terminal: false,
        extra_hosts: vec![],
        privileged: false,
        shm_size: None,
        ulimits: vec![],
        cgroup_parent: None,
    })
}
