//! What the user can do about errors whose place gives no better advice.

use super::{rules, signals, suggest};
use parser::diagnostic::Diagnostic;

/// Adds a remedy to every error without one.
pub(super) fn complete(findings: &mut [Diagnostic]) {
    for finding in findings.iter_mut().filter(|finding| finding.is_error() && finding.help.is_none()) {
        finding.help = remedy(finding);
    }
}

fn remedy(finding: &Diagnostic) -> Option<String> {
    let is = |rule: &'static parser::diagnostic::Rule| std::ptr::eq(finding.rule, rule);
    if is(&rules::BAD_SIGNAL) {
        return Some(signal(&finding.message));
    }
    if is(&rules::BAD_IMAGE_NAME) {
        return Some(image(&finding.message));
    }
    let general = [
        (&rules::UNSUPPORTED, "leave it out"),
        (&rules::UNKNOWN_TARGET, "leave `--target` out, or name a stage: `FROM … AS name`"),
        (
            &rules::UNKNOWN_STAGE,
            "name a stage above (`FROM … AS name`) or an image; COPY counts stages from 0",
        ),
        (&rules::STAGE_CYCLE, "put what both need into a stage of its own, above them"),
        (&rules::BAD_PLATFORM, "name one such as linux/amd64, linux/arm64 or linux/arm/v7"),
        (
            &rules::BAD_SUBSTITUTION,
            "write `${x}`, `${x:-word}`, `${x:+word}`, `${x:?message}`, `${x#pattern}`, `${x%pattern}` or `${x/from/to}`",
        ),
        (
            &rules::BAD_PORT,
            "write a number from 1 to 65535, a range such as 8000-8010, or either with /tcp, /udp or /sctp",
        ),
        (&rules::EMPTY_VOLUME, "write an absolute path; a variable in it may be empty"),
        (&rules::EMPTY_COMMAND, "write a command, or leave the RUN out"),
        (&rules::BAD_MODE, "write `--chmod=755`, or `--chmod=u=rwX,go=rX`"),
        (&rules::BAD_HEREDOC_NAME, "give it a plain name, and write the directory as the destination"),
        (&rules::BAD_MOUNT, "leave it out, or give the mount another type"),
        (
            &rules::BAD_REMOTE,
            "write `URL#REF:DIR`, or queries of: branch, tag, ref, commit, checksum, subdir, submodules, keep-git-dir",
        ),
        (&rules::BAD_CHECKSUM, "leave `--checksum` out, or name a URL"),
        (&rules::BAD_BUILD_ARG, "leave the build argument out, or write `true` or `false`"),
        (&rules::NO_STAGE, "start with `FROM image`"),
        (&rules::BAD_TRIGGER, "write one instruction behind ONBUILD"),
    ];
    general.iter().find(|(rule, _)| is(rule)).map(|(_, help)| (*help).to_owned())
}

/// What a message names first.
fn named(message: &str) -> &str {
    message.split('`').nth(1).unwrap_or_default()
}

fn signal(message: &str) -> String {
    let upper = named(message).to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    match suggest::closest(name, signals::NAMES.iter().copied()) {
        Some(close) => format!("did you mean `SIG{close}`?"),
        None => "name a signal, such as SIGTERM, SIGINT or SIGQUIT".to_owned(),
    }
}

fn image(message: &str) -> String {
    let name = named(message);
    let (path, tag) = name.rsplit_once(':').map_or((name, ""), |(path, _)| (path, &name[path.len()..]));
    let lower = format!("{}{tag}", path.to_ascii_lowercase());
    if name.contains('$') {
        return "give the ARG above the first FROM a default value, or the build a `--build-arg`".to_owned();
    }
    if lower != name && lower.parse::<oci::Reference>().is_ok() {
        return format!("write `{lower}`");
    }
    "names are like debian, debian:12 or example.com/team/image:tag".to_owned()
}
