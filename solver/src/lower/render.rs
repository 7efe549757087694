//! A graph as compact text, for snapshots.

use crate::graph::{
    Chmod, CopyFrom, CopySource, Graph, HistorySource, MountKind, Op, Security, SourceText, Step, StepId,
};
use parser::diagnostic::Diagnostic;
use std::fmt::Write as _;

/// Steps, then the config and the history that the build adds, then findings.
pub(super) fn graph(graph: &Graph, src: &str) -> String {
    let mut out = String::new();
    for (index, step) in graph.steps.iter().enumerate() {
        self::step(&mut out, index, step, src);
    }
    writeln!(out, "target {}", id(graph.target)).unwrap();
    if let Some(epoch) = graph.epoch {
        writeln!(out, "epoch {epoch}").unwrap();
    }
    let platform = graph.config.platform();
    let config = serde_json::to_string_pretty(&graph.config.config).unwrap();
    writeln!(out, "platform {platform}\nauthor {:?}\nconfig {config}", graph.config.author).unwrap();
    let ours = &graph.config.history[graph.base_history..];
    assert_eq!(ours.len(), graph.history.len(), "each history entry has its source");
    for (entry, source) in ours.iter().zip(&graph.history) {
        assert_eq!(entry.empty_layer, *source == HistorySource::Metadata);
        assert_eq!(entry.comment, "buildkit.dockerfile.v0");
        let source = match source {
            HistorySource::Step(step) => id(Some(*step)),
            HistorySource::Metadata => "-".into(),
        };
        writeln!(out, "history {source:>3} {:?}", entry.created_by).unwrap();
    }
    out + &findings(&graph.warnings, src)
}

/// One line each, with its place and the text there.
pub(super) fn findings(list: &[Diagnostic], src: &str) -> String {
    let mut out = String::new();
    for found in list {
        let before = &src[..found.at.start];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        let text = src[found.at.clone()].lines().next().unwrap_or_default();
        writeln!(out, "{} {line}:{column} `{text}`: {}", found.rule.name, found.message).unwrap();
        found.help.iter().for_each(|help| writeln!(out, "  help: {help}").unwrap());
    }
    out
}

fn id(step: Option<StepId>) -> String {
    step.map_or_else(|| "scratch".into(), |step| format!("#{}", step.0))
}

fn step(out: &mut String, index: usize, step: &Step, src: &str) {
    writeln!(out, "#{index} {}", step.name).unwrap();
    let text = match &step.source {
        SourceText::Dockerfile => src,
        SourceText::Trigger { text, .. } => text,
    };
    let place = text[step.span.clone()].lines().next().unwrap_or_default();
    let no_cache = if step.no_cache { " no-cache" } else { "" };
    writeln!(out, "   on {} stage {:?} at {place:?}{no_cache}", id(step.parent), step.stage).unwrap();
    match &step.op {
        Op::Base { reference, layers } => {
            writeln!(out, "   base {reference:?} layers {}", layers.len()).unwrap();
        }
        Op::Mkdir(mkdir) => writeln!(out, "   mkdir {:?} user {:?}", mkdir.path, mkdir.user).unwrap(),
        Op::Run(run) => {
            writeln!(out, "   run {:?}", run.argv).unwrap();
            writeln!(out, "   env {:?} proxy {:?}", run.env, run.proxy_env).unwrap();
            write!(out, "   cwd {:?} user {:?} network {:?}", run.cwd, run.user, run.network).unwrap();
            writeln!(out, " hostname {:?} platform {}", run.hostname, run.platform).unwrap();
            if run.security == Security::Insecure {
                writeln!(out, "   insecure").unwrap();
            }
            for mount in &run.mounts {
                writeln!(out, "   mount {:?} {}", mount.target, self::mount(&mount.kind)).unwrap();
            }
            for file in &run.files {
                writeln!(out, "   file {:?} {:?}", file.path, String::from_utf8_lossy(&file.data)).unwrap();
            }
        }
        Op::Copy(copy) => self::copy(out, copy),
    }
}

fn mount(kind: &MountKind) -> String {
    let from = |from: &CopyFrom| match from {
        CopyFrom::Context(name) => panic!("the context {name} was not copied first"),
        CopyFrom::Step(step) => id(*step),
    };
    match kind {
        MountKind::Bind { from: tree, source, writable } => {
            format!("bind {} {source:?}{}", from(tree), if *writable { " rw" } else { "" })
        }
        MountKind::Cache(cache) => {
            let seed =
                cache.seed.as_ref().map(|seed| format!(" from {} {:?}", from(&seed.from), seed.source));
            let access = if cache.read_only { " ro" } else { "" };
            let (mode, uid, gid) = (cache.mode, cache.uid, cache.gid);
            format!(
                "cache {:?} {:?} {mode:04o} {uid}:{gid}{access}{}",
                cache.id,
                cache.sharing,
                seed.unwrap_or_default()
            )
        }
        MountKind::Tmpfs { size } => format!("tmpfs {size:?}"),
        MountKind::Secret(secret) => {
            let required = if secret.required { " required" } else { "" };
            let (mode, uid, gid) = (secret.mode, secret.uid, secret.gid);
            format!("secret {:?} env {:?} {mode:04o} {uid}:{gid}{required}", secret.id, secret.env)
        }
        MountKind::Ssh { id, required, mode, uid, gid } => {
            format!("ssh {id:?} {mode:04o} {uid}:{gid}{}", if *required { " required" } else { "" })
        }
    }
}

fn copy(out: &mut String, copy: &crate::graph::Copy) {
    let from = match &copy.from {
        CopyFrom::Context(name) => format!("context {name:?}"),
        CopyFrom::Step(step) => id(*step),
    };
    let source = |source: &CopySource| match source {
        CopySource::Path(path, _) => format!("{path:?}"),
        CopySource::Http(source, _) => format!("{source:?}"),
        CopySource::Git(source, _) => format!("{source:?}"),
        CopySource::Inline(name, data) => format!("{name:?}={:?}", String::from_utf8_lossy(data)),
    };
    let sources: Vec<String> = copy.sources.iter().map(source).collect();
    write!(out, "   copy from {from} [{}] to {:?}", sources.join(", "), copy.dest).unwrap();
    copy.chown.iter().for_each(|chown| write!(out, " chown {chown:?}").unwrap());
    match &copy.chmod {
        None => {}
        Some(Chmod::Octal(mode)) => write!(out, " chmod {mode:04o}").unwrap(),
        Some(Chmod::Symbolic(mode)) => write!(out, " chmod {mode:?}").unwrap(),
    }
    let flags = [
        (copy.link, " link"),
        (copy.unpack, " unpack"),
        (copy.unpack_fetched, " unpack-fetched"),
        (copy.parents, " parents"),
    ];
    flags.iter().filter(|(on, _)| *on).for_each(|(_, name)| out.push_str(name));
    copy.exclude.iter().for_each(|pattern| write!(out, " exclude {pattern:?}").unwrap());
    out.push('\n');
}
