//! Bytes per second of parsing, and time per path of ignore files. `cargo bench -p parser`.

use divan::counter::{BytesCount, ItemsCount};
use parser::ignorefile::Ignore;

fn main() {
    divan::main();
}

const STAGE: &str = "\
# build compiles
FROM --platform=$BUILDPLATFORM debian:12 AS build
ARG VERSION=1.2.3
ENV PATH=/opt/bin:$PATH LANG=\"C.UTF-8\"
WORKDIR /src
RUN --mount=type=cache,target=/var/cache/apt apt-get update \\
    # comments are dropped
    && apt-get install -y --no-install-recommends gcc make libc6-dev \\
    && rm -rf /var/lib/apt/lists/*
COPY --chown=1000:1000 src/ Makefile /src/
RUN <<SCRIPT
set -eu
make -j2 VERSION=$VERSION
make install DESTDIR=/out
SCRIPT
EXPOSE 80 443/tcp
LABEL org.opencontainers.image.title=\"example\" org.opencontainers.image.version=$VERSION
HEALTHCHECK --interval=30s CMD [\"curl\", \"-f\", \"http://localhost/\"]
CMD [\"/usr/local/bin/example\", \"--serve\"]
";

/// A file of many stages.
#[divan::bench(args = [1, 100, 10_000])]
fn stages(bencher: divan::Bencher<'_, '_>, count: usize) {
    let text = STAGE.repeat(count);
    bencher.counter(BytesCount::of_str(&text)).bench(|| parser::parse(&text));
}

/// One instruction over many lines.
#[divan::bench]
fn continued(bencher: divan::Bencher<'_, '_>) {
    let text = format!("FROM a\nRUN echo start{}", " \\\n    && echo one two three".repeat(100_000));
    bencher.counter(BytesCount::of_str(&text)).bench(|| parser::parse(&text));
}

/// The shortest instructions there are.
#[divan::bench]
fn tiny(bencher: divan::Bencher<'_, '_>) {
    let text = format!("FROM a\n{}", "RUN a\n".repeat(100_000));
    bencher.counter(BytesCount::of_str(&text)).bench(|| parser::parse(&text));
}

/// A heredoc of ten megabytes.
#[divan::bench]
fn heredoc(bencher: divan::Bencher<'_, '_>) {
    let text = format!("FROM a\nCOPY <<E /x\n{}E\n", "a line of the file\n".repeat(500_000));
    bencher.counter(BytesCount::of_str(&text)).bench(|| parser::parse(&text));
}

/// Texts made to be slow: the bytes per second of one kind must not fall with its length.
const HOSTILE: &[(&str, &str, &str)] = &[
    ("open quotes", "FROM a\nENV a=", "\"'"),
    ("open brackets", "FROM a\nRUN ", "["),
    ("JSON strings", "FROM a\nRUN [\"\"", ",\"a\""),
    ("JSON, broken off", "FROM a\nCMD [", "\"a\","),
    ("escapes", "FROM a\nENV a=", "\\ "),
    ("continued lines", "FROM a\nRUN a ", "\\\n"),
    ("comments in a line", "FROM a\nRUN a \\\n", "# c\n"),
    ("flags", "FROM a\nRUN ", "--mount=type=cache "),
    ("mount fields", "FROM a\nRUN --mount=", "a=b,"),
    ("heredocs", "FROM a\nRUN cat ", "<<E "),
    ("open heredocs", "FROM a\n", "RUN <<E\n"),
    ("stages", "", "FROM a AS b\n"),
    ("stages from stages", "FROM a AS b\n", "FROM b AS b\n"),
    ("arguments", "FROM a\nARG ", "a=$a "),
    ("labels", "FROM a\nLABEL ", "a=b "),
    ("unknown instructions", "", "FORM a\n"),
    ("braces", "FROM a\nENV a=", "${a:-"),
    ("blanks", "FROM a\nRUN a", " \t"),
    ("directives", "", "# a=b\n"),
    ("comments", "FROM a\n", "# comment\n"),
    ("triggers", "FROM a\n", "ONBUILD RUN a\n"),
];

#[divan::bench(args = [100_000, 1_000_000, 10_000_000], sample_count = 3)]
fn hostile(bencher: divan::Bencher<'_, '_>, length: usize) {
    let texts: Vec<String> = HOSTILE
        .iter()
        .map(|(_, start, part)| format!("{start}{}", part.repeat(length / part.len())))
        .collect();
    bencher
        .counter(BytesCount::new(texts.iter().map(String::len).sum::<usize>()))
        .bench(|| texts.iter().map(|text| parser::parse(text).diagnostics.len()).sum::<usize>());
}

fn paths() -> Vec<String> {
    (0..100_000).map(|i| format!("dir{}/sub{}/file{i}.txt", i % 200, i % 7)).collect()
}

#[divan::bench]
fn ignore(bencher: divan::Bencher<'_, '_>) {
    let (rules, paths) = (Ignore::parse("node_modules\n**/*.log\n.git\n*.md\ndist/**\n**/.cache\n"), paths());
    bencher
        .counter(ItemsCount::new(paths.len()))
        .bench(|| paths.iter().filter(|path| rules.excluded_by(path.as_bytes()).is_none()).count());
}

#[divan::bench]
fn ignore_with_exceptions(bencher: divan::Bencher<'_, '_>) {
    let (rules, paths) = (Ignore::parse("*\n!dir*\n**/*.log\n!**/keep.log\ndir7/sub1\n"), paths());
    bencher
        .counter(ItemsCount::new(paths.len()))
        .bench(|| paths.iter().filter(|path| rules.excluded_by(path.as_bytes()).is_none()).count());
}
