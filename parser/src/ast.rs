//! The tree of a Dockerfile. Words are as written: quotes, escapes and `$` are still in them; [`crate::words`]
//! expands them where the reference implementation does.

use std::ops::Range;

/// A node and the bytes of the source that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The node.
    pub node: T,
    /// Byte range in the source.
    pub span: Range<usize>,
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dockerfile {
    /// `# syntax=`, `# escape=`, `# check=` at the top, in order.
    pub directives: Vec<Directive>,
    /// What `# check=` lines, or what stands in for them, say.
    pub check: crate::check::Check,
    /// The escape character in force: `\` or a backtick.
    pub escape: char,
    /// `ARG`s before the first `FROM`.
    pub global_args: Vec<Spanned<ArgInstruction>>,
    /// In order.
    pub stages: Vec<Stage>,
}

/// A parser directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Lower case.
    pub name: Spanned<String>,
    /// As written, trimmed.
    pub value: Spanned<String>,
}

/// `FROM` and all up to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The `FROM` line.
    pub from: Spanned<From>,
    /// The instructions below it.
    pub instructions: Vec<Spanned<Instruction>>,
}

/// `FROM [--platform=P] IMAGE [AS NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// Unexpanded.
    pub platform: Option<Spanned<String>>,
    /// Unexpanded.
    pub image: Spanned<String>,
    /// As written; compared without case.
    pub name: Option<Spanned<String>>,
    /// Lines of the comment directly above, without `#`.
    pub doc: Option<String>,
}

/// Any instruction but `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `ADD`
    Add(Copy),
    /// `ARG`
    Arg(ArgInstruction),
    /// `CMD`
    Cmd(Command),
    /// `COPY`
    Copy(Copy),
    /// `ENTRYPOINT`
    Entrypoint(Command),
    /// `ENV`, pairs unexpanded. The legacy form `ENV k v` gives one pair.
    Env(Vec<KeyValue>),
    /// `EXPOSE`, unexpanded words in the order of the file.
    Expose(Vec<Spanned<String>>),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `LABEL`, pairs unexpanded.
    Label(Vec<KeyValue>),
    /// `MAINTAINER`, as written.
    Maintainer(Spanned<String>),
    /// `ONBUILD`: the trigger's text, continuation lines joined, case and blanks at the end kept, bodies of heredocs
    /// below it. [`crate::parse_trigger`] parses it when used.
    Onbuild(Spanned<String>),
    /// `RUN`
    Run(Run),
    /// `SHELL`
    Shell(Vec<String>),
    /// `STOPSIGNAL`, unexpanded.
    Stopsignal(Spanned<String>),
    /// `USER`, unexpanded.
    User(Spanned<String>),
    /// `VOLUME`, unexpanded words.
    Volume(Vec<Spanned<String>>),
    /// `WORKDIR`, unexpanded.
    Workdir(Spanned<String>),
}

/// `ARG name[=default] …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgInstruction {
    /// In order.
    pub args: Vec<ArgDecl>,
    /// Lines of the comment directly above, without `#`.
    pub doc: Option<String>,
}

/// One name of an `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDecl {
    /// The name.
    pub name: Spanned<String>,
    /// Unexpanded default.
    pub default: Option<Spanned<String>>,
}

/// One `key=value` of `ENV` or `LABEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Unexpanded.
    pub key: Spanned<String>,
    /// Unexpanded.
    pub value: Spanned<String>,
    /// Whether this is the legacy form with a space (its value takes the rest of the line).
    pub legacy: bool,
}

/// Shell or exec form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `CMD text`: the text, continuation lines joined, comments cut.
    Shell(Spanned<String>),
    /// `CMD ["a", "b"]`. May be empty.
    Exec(Vec<String>),
}

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// Its delimiter word without quotes.
    pub name: String,
    /// Whether `$` in the body is expanded: no quote in the delimiter.
    pub expand: bool,
    /// `<<-`: tabs at line starts were cut.
    pub chomp: bool,
    /// File descriptor before `<<`; 0 where none.
    pub fd: u32,
    /// The body, with its final newline, after tab cutting. The span is of the body as written, tabs and all.
    pub body: Spanned<String>,
}

/// The `key=value` and `key` fields of one `--mount=`, keys in lower case.
pub type MountFields = Vec<(String, Option<String>)>;

/// `RUN [flags] command`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// `--mount=`, each as `key=value` fields, unexpanded.
    pub mounts: Vec<Spanned<MountFields>>,
    /// `--network=`, unexpanded.
    pub network: Option<Spanned<String>>,
    /// `--security=`, unexpanded.
    pub security: Option<Spanned<String>>,
    /// `--device=`, unexpanded.
    pub devices: Vec<Spanned<String>>,
    /// The command. With heredocs in shell form it is the first line alone.
    pub command: Command,
    /// Bodies named on the command line, in order.
    pub heredocs: Vec<Heredoc>,
}

/// `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    /// `--from=` (COPY only): stage name, index, image or named context. Never expanded.
    pub from: Option<Spanned<String>>,
    /// `--chown=`, unexpanded.
    pub chown: Option<Spanned<String>>,
    /// `--chmod=`, unexpanded.
    pub chmod: Option<Spanned<String>>,
    /// `--link`
    pub link: Option<Spanned<bool>>,
    /// `--parents` (COPY only)
    pub parents: Option<Spanned<bool>>,
    /// `--exclude=`, unexpanded.
    pub exclude: Vec<Spanned<String>>,
    /// `--keep-git-dir` (ADD only)
    pub keep_git_dir: Option<Spanned<bool>>,
    /// `--checksum=` (ADD only), unexpanded.
    pub checksum: Option<Spanned<String>>,
    /// `--unpack` (ADD only)
    pub unpack: Option<Spanned<bool>>,
    /// Sources, unexpanded.
    pub sources: Vec<Source>,
    /// Destination, unexpanded.
    pub destination: Spanned<String>,
}

/// One source of `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path, pattern, URL or git address.
    Path(Spanned<String>),
    /// A file whose bytes are in the Dockerfile.
    Heredoc(Heredoc),
}

/// `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`
    None,
    /// `HEALTHCHECK [flags] CMD …`
    Cmd {
        /// Flags in nanoseconds, in Go's duration syntax.
        interval: Option<i64>,
        /// `--timeout`
        timeout: Option<i64>,
        /// `--start-period`
        start_period: Option<i64>,
        /// `--start-interval`
        start_interval: Option<i64>,
        /// `--retries`
        retries: Option<i64>,
        /// The check.
        command: Command,
    },
}

impl Default for Spanned<String> {
    fn default() -> Self {
        Self { node: String::new(), span: 0..0 }
    }
}
