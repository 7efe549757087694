//! Time to lower long Dockerfiles. `cargo bench -p solver`.

use divan::counter::ItemsCount;
use solver::graph::BaseImages;
use solver::lower::{LowerRequest, lower};
use std::fmt::Write as _;

fn main() {
    divan::main();
}

/// Lowers `count` lines after `head`.
fn bench(bencher: divan::Bencher<'_, '_>, head: &str, count: usize, line: impl Fn(usize) -> String) {
    let src = (0..count).fold(head.to_owned(), |mut text, i| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}", line(i));
        text
    });
    let parsed = parser::parse(&src);
    let request = LowerRequest::default();
    bencher
        .counter(ItemsCount::new(count))
        .bench(|| lower(&parsed.file, &src, &request, &BaseImages::new()).is_ok());
}

/// Stages, each from the one before.
#[divan::bench(args = [500, 5000, 50_000])]
fn stages(bencher: divan::Bencher<'_, '_>, count: usize) {
    bench(bencher, "FROM scratch AS b\n", count, |i| format!("FROM b AS b\nENV a{i}=1"));
}

/// Variables, each with another one's value.
#[divan::bench(args = [500, 5000, 50_000])]
fn env(bencher: divan::Bencher<'_, '_>, count: usize) {
    bench(bencher, "FROM scratch\nENV a=1\n", count, |i| format!("ENV a{i}=${{a}}x"));
}

/// Build arguments.
#[divan::bench(args = [500, 5000, 50_000])]
fn args(bencher: divan::Bencher<'_, '_>, count: usize) {
    bench(bencher, "FROM scratch\n", count, |i| format!("ARG a{i}=$a{}", i.saturating_sub(1)));
}

/// Labels.
#[divan::bench(args = [500, 5000, 50_000])]
fn labels(bencher: divan::Bencher<'_, '_>, count: usize) {
    bench(bencher, "FROM scratch\n", count, |i| format!("LABEL l{i}=x"));
}

/// Stages that the last one copies from.
#[divan::bench(args = [500, 5000, 50_000])]
fn copies(bencher: divan::Bencher<'_, '_>, count: usize) {
    let head = (0..count).fold(String::new(), |mut text, i| {
        let _ = writeln!(text, "FROM scratch AS s{i}\nWORKDIR /d{i}");
        text
    });
    bench(bencher, &format!("{head}FROM scratch\n"), count, |i| format!("COPY --from=s{i} / /"));
}
