//! The loop over a file: directives, comments, one instruction after another.

use crate::ast::{Dockerfile, Instruction, Spanned, Stage};
use crate::check::Check;
use crate::diagnostic::Diagnostic;
use crate::directive::Directives;
use crate::instruction;
use crate::lint;
use crate::rules;
use crate::source::{Lines, Logical};
use crate::statement::{KEYWORDS, Statement};
use crate::{heredoc, suggest};
use std::ops::Range;

/// A tree, and what is wrong with the text. A build starts only if no diagnostic is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// What could be understood.
    pub file: Dockerfile,
    /// In the order of their places.
    pub diagnostics: Vec<Diagnostic>,
}

/// What an ONBUILD trigger's text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trigger {
    /// `None` if there is an error.
    pub instruction: Option<Spanned<Instruction>>,
    /// Places are of the trigger's text.
    pub diagnostics: Vec<Diagnostic>,
}

/// After so many errors the rest of a file is not read.
const MAX_ERRORS: usize = 50;

/// Parses a whole Dockerfile. Never fails, takes time in proportion to the text, and reads nothing but it.
pub fn parse(source: &str) -> Parsed {
    parse_with(source, None)
}

/// As [`parse`], with settings `check` that stand in for those of the `# check=` line at the top.
pub fn parse_with(source: &str, check: Option<&str>) -> Parsed {
    let mut parser = Parser::new(source);
    parser.check = check.map(str::to_owned);
    while let Some(line) = parser.lines.next_line() {
        parser.line(line);
        if parser.too_many() {
            break;
        }
    }
    parser.finish()
}

/// Parses an ONBUILD trigger when it fires: one instruction, not FROM, MAINTAINER or ONBUILD. The escape character is
/// always `\`.
pub fn parse_trigger(text: &str) -> Trigger {
    let mut parser = Parser::new(text);
    parser.directives = Directives::none();
    let mut trigger = Trigger::default();
    let mut count = 0;
    while let Some(line) = parser.lines.next_line() {
        if text[line.clone()].starts_with('#') {
            continue;
        }
        let Some(logical) = parser.lines.logical(line, &mut parser.diagnostics) else { continue };
        count += 1;
        trigger.instruction = trigger.instruction.or_else(|| parser.trigger(&logical));
        if count > 1 {
            break;
        }
    }
    if count != 1 && parser.diagnostics.is_empty() {
        let message = "an ONBUILD trigger is one instruction";
        parser.diagnostics.push(Diagnostic::new(&rules::ONBUILD_TRIGGER, 0..text.len(), message));
    }
    trigger.diagnostics = parser.diagnostics;
    if trigger.diagnostics.iter().any(Diagnostic::is_error) {
        trigger.instruction = None;
    }
    trigger
}

/// The text of a Dockerfile's bytes, without a byte order mark. U+FFFD stands for what is no UTF-8: comments in another
/// encoding do no harm, and [`parse`] finds it.
pub fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

/// What stands for bytes that are no UTF-8.
fn not_utf8(source: &str) -> Option<Diagnostic> {
    let at = source.find(char::REPLACEMENT_CHARACTER)?;
    let place = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
    let problem = Diagnostic::new(&rules::NOT_UTF8, place, "there are bytes here that are no UTF-8 text");
    Some(problem.help("Save the file as UTF-8: they are taken for `\u{fffd}`"))
}

struct Parser<'s> {
    source: &'s str,
    lines: Lines<'s>,
    directives: Directives,
    file: Dockerfile,
    diagnostics: Vec<Diagnostic>,
    /// Lines of the comment directly above, `#` included.
    comments: Vec<Range<usize>>,
    /// Something before the first FROM is wrong in a way that explains why there is none.
    excused: bool,
    instructions: usize,
    /// Stands in for the file's `# check=`.
    check: Option<String>,
    /// `# check=` above single instructions.
    local: Vec<(Range<usize>, Check)>,
    /// How many of the diagnostics are in `errors` already.
    counted: usize,
    errors: usize,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str) -> Self {
        let escape = '\\';
        Self {
            source,
            lines: Lines::new(source, escape),
            directives: Directives::default(),
            file: Dockerfile::default(),
            diagnostics: Vec::new(),
            comments: Vec::new(),
            excused: false,
            instructions: 0,
            check: None,
            local: Vec::new(),
            counted: 0,
            errors: 0,
        }
    }

    fn line(&mut self, line: Range<usize>) {
        if let Some(directive) = self.directives.line(self.source, &line, &mut self.diagnostics) {
            if let ("escape", "`") = (directive.name.node.as_str(), directive.value.node.as_str()) {
                self.lines.set_escape('`');
            }
            return;
        }
        let text = &self.source[line.clone()];
        if let Some(comment) = text.strip_prefix('#') {
            if comment.trim().is_empty() {
                self.comments.clear();
            } else {
                self.comments.push(line);
            }
            return;
        }
        // An empty line does not part a comment from what it is about; an empty comment does.
        let Some(logical) = self.lines.logical(line, &mut self.diagnostics) else { return };
        self.instructions += 1;
        self.instruction(&logical);
        self.comments.clear();
    }

    fn instruction(&mut self, logical: &Logical<'s>) {
        let Some(statement) = self.statement(logical) else { return };
        let span = statement.whole();
        let comments = self.comments.iter().map(|line| &self.source[line.clone()]);
        self.local.extend(Check::above(comments).map(|check| (span.clone(), check)));
        match statement.keyword {
            "FROM" => {
                let doc = self.doc();
                let described = doc.clone();
                let from = instruction::from(&statement, doc, &mut self.diagnostics);
                let names: Vec<&str> = from.name.iter().map(|name| name.node.as_str()).collect();
                lint::description(described.as_deref(), "FROM", &names, &span, &mut self.diagnostics);
                self.file.stages.push(Stage { from: Spanned { node: from, span }, instructions: Vec::new() });
            }
            "ARG" => {
                let doc = self.doc();
                let Some(node) = instruction::arg(&statement, doc, &mut self.diagnostics) else { return };
                let names: Vec<&str> = node.args.iter().map(|arg| arg.name.node.as_str()).collect();
                lint::description(node.doc.as_deref(), "ARG", &names, &span, &mut self.diagnostics);
                match self.file.stages.last_mut() {
                    Some(stage) => stage.instructions.push(Spanned { node: Instruction::Arg(node), span }),
                    None => self.file.global_args.push(Spanned { node, span }),
                }
            }
            _ => {
                let node = self.build(&statement);
                match self.file.stages.last_mut() {
                    Some(stage) => stage.instructions.extend(node.map(|node| Spanned { node, span })),
                    None => self.before_from(&statement),
                }
            }
        }
    }

    /// Takes a line apart, if it starts with an instruction.
    fn statement<'a>(&mut self, logical: &'a Logical<'s>) -> Option<Statement<'a, 's>> {
        let statement = Statement::new(logical, 0..logical.text().len(), self.lines.escape());
        if statement.keyword.is_empty() {
            self.excused |= self.file.stages.is_empty();
            self.diagnostics.push(unknown_instruction(&statement));
            return None;
        }
        Some(statement)
    }

    fn build(&mut self, statement: &Statement<'_, '_>) -> Option<Instruction> {
        let mut heredocs = Vec::new();
        if statement.line.text().contains("<<") && instruction::opens_heredocs(statement) {
            heredocs = heredoc::read(statement, &mut self.lines, &mut self.diagnostics);
        }
        instruction::build(statement, heredocs, &mut self.diagnostics)
    }

    fn trigger(&mut self, logical: &Logical<'s>) -> Option<Spanned<Instruction>> {
        let statement = self.statement(logical)?;
        if let Some(problem) = instruction::not_a_trigger(&statement) {
            self.diagnostics.push(problem);
            return None;
        }
        let node = if statement.keyword == "ARG" {
            Instruction::Arg(instruction::arg(&statement, None, &mut self.diagnostics)?)
        } else {
            self.build(&statement)?
        };
        Some(Spanned { node, span: statement.whole() })
    }

    fn before_from(&mut self, statement: &Statement<'_, '_>) {
        if std::mem::replace(&mut self.excused, true) {
            return;
        }
        let message =
            format!("{} before the first FROM: no build stage in current context", statement.keyword);
        let problem = Diagnostic::new(&rules::NO_STAGE, statement.span(&statement.name), message);
        self.diagnostics.push(problem.help("Start with `FROM image`: only ARG may stand before it"));
    }

    /// The comment directly above, without `#`.
    fn doc(&self) -> Option<String> {
        let lines = self.comments.iter().map(|line| self.source[line.start + 1..line.end].trim());
        let text = lines.collect::<Vec<_>>().join("\n");
        (!text.is_empty()).then_some(text)
    }

    /// Whether there are so many errors that it is enough.
    fn too_many(&mut self) -> bool {
        let new = &self.diagnostics[self.counted..];
        self.errors += new.iter().filter(|found| found.is_error()).count();
        self.counted = self.diagnostics.len();
        if self.errors < MAX_ERRORS {
            return false;
        }
        let at = self.lines.position();
        let message = format!("{MAX_ERRORS} errors: the rest of the file was not read");
        self.diagnostics.push(Diagnostic::new(&rules::TOO_MANY, at..at, message));
        true
    }

    /// The file's own settings, or the ones that stand in for them.
    fn settings(&mut self) {
        self.file.check = match self.check.as_deref().map(str::trim).filter(|check| !check.is_empty()) {
            None => Check::of(&self.file),
            Some(given) => Check::parse(given).unwrap_or_else(|problem| {
                let message = format!("the build argument BUILDKIT_DOCKERFILE_CHECK: {problem}");
                let found = Diagnostic::new(&rules::BAD_DIRECTIVE, 0..0, message);
                self.diagnostics.push(found.help("Write `skip=RULE,RULE` or `skip=all`, and `;error=true`"));
                Check::default()
            }),
        };
        self.file.check.local = std::mem::take(&mut self.local);
    }

    fn finish(mut self) -> Parsed {
        let end = self.source.len();
        self.diagnostics.extend(not_utf8(self.source));
        if self.source.is_empty() {
            let problem = Diagnostic::new(&rules::EMPTY_FILE, 0..0, "the Dockerfile cannot be empty");
            self.diagnostics.push(problem.help("Start with `FROM image`"));
        } else if self.instructions == 0 {
            let problem = Diagnostic::new(&rules::EMPTY_FILE, end..end, "file with no instructions");
            self.diagnostics.push(problem.help("Start with `FROM image`"));
        } else if self.file.stages.is_empty() && !self.excused {
            let problem =
                Diagnostic::new(&rules::NO_STAGE, end..end, "the Dockerfile contains no stages to build");
            self.diagnostics.push(problem.help("Add `FROM image`"));
        }
        self.file.directives = std::mem::take(&mut self.directives.found);
        self.file.escape = self.lines.escape();
        lint::check(&self.file, self.source, &mut self.diagnostics);
        self.diagnostics.sort_by_key(|found| found.at.start);
        self.settings();
        self.file.check.begin(&mut self.diagnostics);
        Parsed { file: self.file, diagnostics: self.diagnostics }
    }
}

fn unknown_instruction(statement: &Statement<'_, '_>) -> Diagnostic {
    let name = statement.slice(&statement.name);
    let at = statement.span(&statement.name);
    if name.is_empty() {
        return Diagnostic::new(&rules::UNKNOWN_INSTRUCTION, at, "a continued line without an instruction");
    }
    let mut shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
    if shown.len() < name.len() && name.chars().nth(40).is_some() {
        shown.push('…');
    }
    let problem = Diagnostic::new(&rules::UNKNOWN_INSTRUCTION, at, format!("unknown instruction: {shown}"));
    let has_odd_blank = name.contains(|c: char| c.is_whitespace() || c == '\u{200b}' || c == '\u{feff}');
    match suggest::closest(name, KEYWORDS) {
        Some(close) => problem.help(format!("did you mean `{close}`?")),
        None if has_odd_blank => problem.help("There is a blank in it that is no ordinary one: type it anew"),
        None => problem,
    }
}
