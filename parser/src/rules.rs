//! Every kind of finding. `docs/rules.md` is generated from [`ALL`].
//!
//! Errors have kebab-case names of our own. Warnings have the names of Docker's build checks, so that `# check=skip=…`
//! lines work unchanged.

use crate::diagnostic::{Level, Rule};

/// Docker's page about a build check, where `name` is one of Docker's that has a page.
pub fn page(name: &str) -> Option<String> {
    DOCKER.iter().find(|(rule, _)| *rule == name).map(|(_, page)| format!("{PAGES}{page}/"))
}

/// Whether a rule is one of Docker's build checks, by which `error=true` goes.
pub fn is_docker(rule: &Rule) -> bool {
    rule.name == "InvalidBaseImagePlatform" || DOCKER.iter().any(|(name, _)| *name == rule.name)
}

/// Whether a rule gives findings only where `experimental=` of `# check=` asks for it.
pub fn is_experimental(rule: &Rule) -> bool {
    rule.name == INVALID_DEFINITION_DESCRIPTION.name
}

const PAGES: &str = "https://docs.docker.com/go/dockerfile/rule/";

/// Docker's build checks and their pages. `InvalidBaseImagePlatform` has none.
const DOCKER: [(&str, &str); 21] = [
    ("StageNameCasing", "stage-name-casing"),
    ("FromAsCasing", "from-as-casing"),
    ("NoEmptyContinuation", "no-empty-continuation"),
    ("ConsistentInstructionCasing", "consistent-instruction-casing"),
    ("DuplicateStageName", "duplicate-stage-name"),
    ("ReservedStageName", "reserved-stage-name"),
    ("JSONArgsRecommended", "json-args-recommended"),
    ("MaintainerDeprecated", "maintainer-deprecated"),
    ("UndefinedArgInFrom", "undefined-arg-in-from"),
    ("WorkdirRelativePath", "workdir-relative-path"),
    ("UndefinedVar", "undefined-var"),
    ("MultipleInstructionsDisallowed", "multiple-instructions-disallowed"),
    ("LegacyKeyValueFormat", "legacy-key-value-format"),
    ("RedundantTargetPlatform", "redundant-target-platform"),
    ("SecretsUsedInArgOrEnv", "secrets-used-in-arg-or-env"),
    ("InvalidDefaultArgInFrom", "invalid-default-arg-in-from"),
    ("FromPlatformFlagConstDisallowed", "from-platform-flag-const-disallowed"),
    ("CopyIgnoredFile", "copy-ignored-file"),
    ("InvalidDefinitionDescription", "invalid-definition-description"),
    ("ExposeProtoCasing", "expose-proto-casing"),
    ("ExposeInvalidFormat", "expose-invalid-format"),
];

macro_rules! rules {
    ($($name:ident = $level:ident $text:literal: $summary:literal;)*) => {
        $(
            #[doc = $summary]
            pub static $name: Rule = Rule { name: $text, level: Level::$level, summary: $summary };
        )*
        /// All of the parser's, errors first.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    EMPTY_FILE = Error "empty-file": "The Dockerfile has no instructions";
    NO_STAGE = Error "no-stage": "There is no FROM, or an instruction comes before it";
    BAD_DIRECTIVE = Error "bad-directive": "A parser directive is given twice or has a value that means nothing";
    FOREIGN_SYNTAX = Error "foreign-syntax": "`# syntax=` asks for a frontend other than docker/dockerfile";
    UNKNOWN_INSTRUCTION = Error "unknown-instruction": "A line starts with a word that is no instruction";
    UNKNOWN_FLAG = Error "unknown-flag": "An instruction has no such flag";
    BAD_FLAG = Error "bad-flag": "A flag is given twice, lacks its value, or has a value that means nothing";
    ARGUMENTS = Error "arguments": "An instruction has too few or too many arguments";
    STAGE_NAME = Error "stage-name": "A stage's name starts with a digit or holds a character that is not allowed";
    KEY_VALUE = Error "key-value": "ENV, LABEL or ARG is not of the form name=value";
    JSON_STRINGS = Error "json-strings": "A JSON array holds something that is not a string";
    JSON_REQUIRED = Error "json-required": "SHELL takes only a JSON array";
    HEREDOC = Error "heredoc": "A here-document is not terminated, or stands where none is allowed";
    HEALTHCHECK = Error "healthcheck": "HEALTHCHECK is neither NONE nor CMD with a command";
    ONBUILD_TRIGGER = Error "onbuild-trigger": "ONBUILD holds an instruction that cannot be a trigger";
    IGNORE_PATTERN = Error "ignore-pattern": "A line of the ignore file is no pattern";
    CHECK_FAILED = Error "check-failed": "`# check=error=true` is set and there are warnings";
    TOO_MANY = Error "too-many-errors": "The file has more errors than are worth listing";
    NOT_UTF8 = Warning "not-utf8": "The file is not UTF-8 text";
    NO_EMPTY_CONTINUATION = Warning "NoEmptyContinuation": "An empty line inside a continued instruction";
    MAINTAINER_DEPRECATED = Warning "MaintainerDeprecated": "MAINTAINER is deprecated, a label does the same";
    LEGACY_KEY_VALUE_FORMAT = Warning "LegacyKeyValueFormat": "ENV or LABEL with a blank between name and value";
    CONSISTENT_INSTRUCTION_CASING = Warning "ConsistentInstructionCasing": "Instructions are written in more than one case";
    FROM_AS_CASING = Warning "FromAsCasing": "FROM and AS are written in different case";
    STAGE_NAME_CASING = Warning "StageNameCasing": "A stage's name has capital letters";
    DUPLICATE_STAGE_NAME = Warning "DuplicateStageName": "Two stages have one name";
    RESERVED_STAGE_NAME = Warning "ReservedStageName": "A stage is named `scratch` or `context`";
    JSON_ARGS_RECOMMENDED = Warning "JSONArgsRecommended": "CMD or ENTRYPOINT in shell form: the process does not get signals";
    INVALID_DEFINITION_DESCRIPTION = Warning "InvalidDefinitionDescription": "The comment above a stage or ARG does not begin with its name (experimental)";
}
