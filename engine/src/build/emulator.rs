//! RUN for another machine: by the kernel's handler (binfmt_misc), or by an emulator that is put before the program.

use oci::{Platform, RootPath};
use runner::spec::Mount;
use snapshotter::tree::{Tree, resolve};
use snapshotter::view::ChainView;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// Where the sandbox has the emulator.
const PLACE: &str = "/dev/.lapstrake-emulator";

/// GOARCH, what qemu calls it, and ELF's class, byte order (1 is little) and machine.
const MACHINES: [(&str, &str, u8, u8, u16); 12] = [
    ("386", "i386", 1, 1, 3),
    ("amd64", "x86_64", 2, 1, 62),
    ("arm", "arm", 1, 1, 40),
    ("arm64", "aarch64", 2, 1, 183),
    ("loong64", "loongarch64", 2, 1, 258),
    ("mips", "mips", 1, 2, 8),
    ("mips64", "mips64", 2, 2, 8),
    ("mips64le", "mips64el", 2, 1, 8),
    ("mipsle", "mipsel", 1, 1, 8),
    ("ppc64le", "ppc64le", 2, 1, 21),
    ("riscv64", "riscv64", 2, 1, 243),
    ("s390x", "s390x", 2, 2, 22),
];

/// How the programs of a step are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// As they are: by the machine, by the kernel's handler, or (nobody knows before) not at all.
    Plain,
    /// By the kernel's handler, which looks for its interpreter inside the sandbox.
    Interpreter(PathBuf),
    /// By this program, which comes before the argv.
    Prefix(PathBuf),
}

impl Way {
    /// For programs of `platform` in the tree `root`; `path` is where emulators are looked for.
    pub(super) fn find(platform: &Platform, root: &ChainView, path: &[PathBuf]) -> Way {
        if native(&platform.architecture) {
            return Way::Plain;
        }
        let Some((_, qemu, ..)) = machine(&platform.architecture) else { return Way::Plain };
        match handlers().into_iter().find(|handler| handler.takes(&platform.architecture)) {
            Some(handler) if handler.fixed || is_in(root, &handler.interpreter) => Way::Plain,
            Some(handler) if handler.interpreter.is_file() => Way::Interpreter(handler.interpreter),
            _ => emulator(qemu, path).map_or(Way::Plain, Way::Prefix),
        }
    }

    /// What it adds to a sandbox.
    pub(super) fn apply(self, argv: &mut Vec<String>, mounts: &mut Vec<Mount>) {
        let (source, target) = match self {
            Way::Plain => return,
            Way::Interpreter(program) => {
                let target = program.to_string_lossy().into_owned();
                (program, target)
            }
            Way::Prefix(program) => {
                argv.insert(0, PLACE.to_owned());
                (program, PLACE.to_owned())
            }
        };
        mounts.push(Mount::Bind { source, below: String::new(), target, read_only: true });
    }
}

/// Whether this machine runs programs of `architecture` by itself.
pub(super) fn native(architecture: &str) -> bool {
    let host = Platform::host().architecture;
    architecture == host || (host == "amd64" && architecture == "386")
}

fn machine(architecture: &str) -> Option<(&'static str, &'static str, u8, u8, u16)> {
    MACHINES.into_iter().find(|(name, ..)| *name == architecture)
}

fn is_in(root: &ChainView, path: &Path) -> bool {
    let place = RootPath::new(path.as_os_str().as_bytes());
    resolve(root, &place, true)
        .and_then(|place| root.lookup(&place))
        .is_ok_and(|entry| entry.is_some_and(|entry| entry.is_file()))
}

/// `qemu` for user programs: the names that it has in packages.
fn emulator(qemu: &str, path: &[PathBuf]) -> Option<PathBuf> {
    let names = ["buildkit-qemu-", "qemu-"].map(|prefix| format!("{prefix}{qemu}"));
    let names = [format!("qemu-{qemu}-static")].into_iter().chain(names);
    let mut places = names.flat_map(|name| path.iter().map(move |dir| dir.join(&name)));
    places.find(|place| place.is_file())
}

/// One of the kernel's handlers.
#[derive(Debug, PartialEq, Eq)]
struct Handler {
    interpreter: PathBuf,
    /// The interpreter was opened when the handler was registered: it need not be in the sandbox.
    fixed: bool,
    offset: usize,
    magic: Vec<u8>,
    mask: Vec<u8>,
}

fn handlers() -> Vec<Handler> {
    let Ok(entries) = std::fs::read_dir(HANDLERS) else { return Vec::new() };
    if std::fs::read_to_string(Path::new(HANDLERS).join("status")).is_ok_and(|text| text.trim() != "enabled")
    {
        return Vec::new();
    }
    let files =
        entries.flatten().filter(|entry| !matches!(entry.file_name().to_str(), Some("status" | "register")));
    files.filter_map(|file| Handler::parse(&std::fs::read_to_string(file.path()).ok()?)).collect()
}

impl Handler {
    /// The kernel's text about one; `None` if it is disabled, or goes by file name.
    fn parse(text: &str) -> Option<Handler> {
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if text.lines().next()? != "enabled" {
            return None;
        }
        let magic = unhex(value("magic ")?)?;
        Some(Handler {
            interpreter: PathBuf::from(value("interpreter ")?),
            fixed: value("flags:").is_some_and(|flags| flags.contains('F')),
            offset: value("offset ").and_then(|number| number.parse().ok()).unwrap_or(0),
            mask: value("mask ").and_then(unhex).unwrap_or_else(|| vec![0xff; magic.len()]),
            magic,
        })
    }

    /// Whether it takes the programs of `architecture`.
    fn takes(&self, architecture: &str) -> bool {
        let Some((_, _, class, order, machine)) = machine(architecture) else { return false };
        let kinds = [2_u16, 3];
        kinds.into_iter().any(|kind| {
            let bytes = |number: u16| if order == 1 { number.to_le_bytes() } else { number.to_be_bytes() };
            let mut head = vec![0x7f, b'E', b'L', b'F', class, order, 1];
            head.resize(16, 0);
            head.extend(bytes(kind).into_iter().chain(bytes(machine)));
            let Some(head) = head.get(self.offset..self.offset + self.magic.len()) else { return false };
            let pairs = head.iter().zip(&self.magic).zip(&self.mask);
            pairs.into_iter().all(|((found, wanted), mask)| found & mask == wanted & mask)
        })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests;
