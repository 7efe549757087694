//! What is opened on the host's side before the root is left, and where it is attached.

use super::{SetupOp, etc, from_root, stubs_dir};
use crate::facts::HostFacts;
use crate::spec::{Contents, Mount, Spec};

/// The order in which sources are opened fixes their numbers: cgroup hierarchies, /etc files, the spec's mounts.
pub(super) struct Sources {
    entries: Vec<Source>,
    /// Where files in memory are kept, if there are any.
    memory: Option<SetupOp>,
}

struct Source {
    open: SetupOp,
    target: String,
    attributes: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Attached with the kernel's file systems, not with the spec's mounts.
    Cgroup,
    /// An /etc file: read-only with the root.
    Etc,
    /// The spec's.
    Mount,
}

impl Sources {
    pub(super) fn of(spec: &Spec, host: &HostFacts) -> Sources {
        let mut all = Sources { entries: Vec::new(), memory: None };
        if host.version1_only() {
            let parent = super::cgroup_parent(spec);
            for (name, path) in &host.cgroups.version1 {
                let path = if parent.is_empty() { path.clone() } else { path.join(&parent) };
                let open = SetupOp::HostSource { path, below: String::new() };
                let attributes =
                    if spec.privileged { "nosuid,noexec,nodev" } else { "ro,nosuid,noexec,nodev" };
                all.push(open, format!("/sys/fs/cgroup/{name}"), attributes, Kind::Cgroup);
            }
        }
        for (target, data) in etc::files(spec, host) {
            // Where its stub is due: one file serves as both.
            let path = stubs_dir(spec).join(target.trim_start_matches('/'));
            let open = SetupOp::FileSource { path, data: Contents(data.into_bytes()), mode: 0o644 };
            // A container may change its own; what a step wrote there would be lost without a word.
            let attributes = if spec.remove_stubs { "ro,nosuid,nodev,noexec" } else { "" };
            all.push(open, target.to_owned(), attributes, Kind::Etc);
        }
        for mount in &spec.mounts {
            let (open, attributes) = all.mount(spec, mount);
            all.push(open, mount.target().to_owned(), attributes, Kind::Mount);
        }
        all
    }

    fn push(&mut self, open: SetupOp, target: String, attributes: &'static str, kind: Kind) {
        self.entries.push(Source { open, target, attributes, kind });
    }

    /// How a mount of the spec is opened, and the attributes that it gets.
    fn mount(&mut self, spec: &Spec, mount: &Mount) -> (SetupOp, &'static str) {
        let number = self.entries.len();
        match mount {
            Mount::Bind { source, below, read_only, .. } => {
                let open = SetupOp::HostSource { path: source.clone(), below: below.clone() };
                (open, if *read_only { "ro" } else { "" })
            }
            Mount::Overlay { lower, source, changes, .. } => {
                let open = SetupOp::OverlaySource {
                    lower: lower.clone(),
                    changes: changes.clone(),
                    path: source.clone(),
                    dir: spec.scratch.join(format!("overlay-{number}")),
                };
                (open, if changes.is_none() { "ro" } else { "" })
            }
            Mount::Tmpfs { size, mode, .. } => {
                let size = size.map(|size| format!("size={size}"));
                let mode_option = mode.map(|mode| format!("mode={mode:o}"));
                let options: Vec<String> = size.into_iter().chain(mode_option).collect();
                let open = SetupOp::MemorySource {
                    options: options.join(","),
                    attributes: "nosuid".to_owned(),
                    adopt_mode: mode.is_none(),
                };
                (open, "")
            }
            Mount::File { data, mode, uid, gid, .. } => {
                let at = spec.scratch.join("memory");
                let open = SetupOp::SecretSource {
                    path: at.join(number.to_string()),
                    data: data.clone(),
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                };
                self.memory = Some(SetupOp::Memory { at, attributes: "nosuid,nodev".to_owned() });
                (open, if mode & 0o111 == 0 { "ro,noexec" } else { "ro" })
            }
        }
    }

    pub(super) fn open(&self) -> impl Iterator<Item = SetupOp> {
        self.memory.iter().cloned().chain(self.entries.iter().map(|source| source.open.clone()))
    }

    /// Mount points to prepare below the root's layers: not those inside file systems mounted later.
    pub(super) fn stubs(&self) -> Vec<(String, usize)> {
        let inside_kernel_mount =
            |path: &str| ["/proc", "/sys", "/dev"].iter().any(|top| from_root(path).starts_with(top));
        let entries = self.entries.iter().enumerate();
        entries
            .filter(|(_, source)| !inside_kernel_mount(&source.target))
            .map(|(number, source)| (source.target.clone(), number))
            .collect()
    }

    /// The cgroup hierarchies.
    pub(super) fn attach_cgroups(&self) -> impl Iterator<Item = SetupOp> {
        let entries = self.entries.iter().enumerate();
        entries.filter(|(_, source)| source.kind == Kind::Cgroup).map(|(number, source)| SetupOp::Attach {
            source: number,
            target: source.target.clone(),
            attributes: source.attributes.to_owned(),
        })
    }

    /// Everything else.
    pub(super) fn attach(&self, read_only: bool) -> impl Iterator<Item = SetupOp> {
        let entries = self.entries.iter().enumerate();
        entries.filter(|(_, source)| source.kind != Kind::Cgroup).map(move |(number, source)| {
            let etc = source.kind == Kind::Etc && read_only && source.attributes.is_empty();
            SetupOp::Attach {
                source: number,
                target: source.target.clone(),
                attributes: if etc { "ro" } else { source.attributes }.to_owned(),
            }
        })
    }
}
