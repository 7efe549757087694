//! The kinds of findings that lowering makes.
//!
//! Errors have kebab-case names; warnings have the names of Docker's build checks where Docker has them, so that
//! `# check=skip=…` lines work unchanged.

use parser::diagnostic::{Level, Rule};

macro_rules! rules {
    ($($(#[$doc:meta])* $id:ident = $level:ident $name:literal, $summary:literal;)*) => {
        $($(#[$doc])* pub static $id: Rule = Rule { name: $name, level: Level::$level, summary: $summary };)*
        /// All of them, in the order of this file.
        pub static ALL: &[&Rule] = &[$(&$id),*];
    };
}

rules! {
    /// Refused by name and place.
    UNSUPPORTED = Error "unsupported", "The construct is part of the language, and not supported yet";
    /// `--target`
    UNKNOWN_TARGET = Error "unknown-target", "No stage has the name given with --target";
    /// `COPY --from`
    UNKNOWN_STAGE = Error "unknown-stage", "COPY --from names no stage";
    /// `COPY --from`
    LATER_STAGE = Error "later-stage", "COPY --from names a stage that is defined further down";
    /// `COPY --from`
    STAGE_CYCLE = Error "stage-cycle", "Stages read from each other in a circle";
    /// `FROM`, `COPY --from`
    BAD_IMAGE_NAME = Error "bad-image-name", "A base image's name is no image reference";
    /// The engine has no such image.
    IMAGE_NOT_FOUND = Error "image-not-found", "An image is neither in the store nor given by --build-context";
    /// `FROM --platform`
    BAD_PLATFORM = Error "bad-platform", "A platform is not of the form os/architecture[/variant]";
    /// Word expansion.
    BAD_SUBSTITUTION = Error "bad-substitution", "A variable substitution cannot be carried out";
    /// Word expansion.
    UNDEFINED_VAR = Warning "UndefinedVar", "A variable is used that neither ARG nor ENV has set";
    /// `FROM $x`
    UNDEFINED_ARG_IN_FROM = Warning "UndefinedArgInFrom", "FROM uses a variable that no ARG before it has set";
    /// `--build-arg`
    UNUSED_BUILD_ARG = Warning "UnusedBuildArg", "No ARG takes up a --build-arg";
    /// `--no-cache-filter`
    UNUSED_CACHE_FILTER = Warning "UnusedCacheFilter", "--no-cache-filter names no stage";
    /// `EXPOSE`
    BAD_PORT = Error "bad-port", "A port of EXPOSE is not number[-number][/tcp|udp|sctp]";
    /// `STOPSIGNAL`
    BAD_SIGNAL = Error "bad-signal", "STOPSIGNAL names no signal";
    /// `VOLUME`
    EMPTY_VOLUME = Error "empty-volume", "A volume has no path";
    /// `RUN []`
    EMPTY_COMMAND = Error "empty-command", "A RUN has nothing to run";
    /// `--chmod`
    BAD_MODE = Error "bad-mode", "A mode is neither octal up to 7777 nor symbolic";
    /// `COPY --chown=www-data` FROM scratch
    NO_USERS = Error "no-users", "A user's or group's name on an empty root file system";
    /// `COPY`
    BAD_SOURCE = Error "bad-source", "COPY takes no URLs";
    /// `COPY <<a/b`
    BAD_HEREDOC_NAME = Error "bad-heredoc-name", "A here-document's name is no file name";
    /// `COPY --from=$x`
    FROM_NOT_EXPANDED = Error "from-not-expanded", "COPY --from expands no variables";
    /// `COPY ../x`
    PATH_OUTSIDE_CONTEXT = Warning "PathOutsideContext", "A source path goes above the root of its context";
    /// ONBUILD
    BAD_TRIGGER = Error "bad-trigger", "An ONBUILD trigger is no instruction";
    /// `SOURCE_DATE_EPOCH`
    BAD_EPOCH = Error "bad-epoch", "SOURCE_DATE_EPOCH is no number of seconds, and names nothing with a time";
    /// ENV, ONBUILD and others that grow with each other.
    TOO_LARGE = Error "too-large", "What the instructions make together takes too much memory";
    /// `RUN --mount`
    BAD_MOUNT = Error "bad-mount", "A field of RUN --mount is unknown, has a wrong value, or does not fit the type";
    /// `RUN --network=host`, `RUN --security=insecure`
    NOT_ALLOWED = Error "not-allowed", "A RUN asks for more than the build command allows";
    /// ADD of a URL.
    BAD_REMOTE = Error "bad-remote", "A URL or git address cannot be fetched as it is written";
    /// `ADD --checksum`
    BAD_CHECKSUM = Error "bad-checksum", "A checksum is malformed, or its source is not fetched";
    /// `--build-arg BUILDKIT_…`
    BAD_BUILD_ARG = Error "bad-build-arg", "A build argument that speaks to the build has a wrong value";
    /// CMD, ENTRYPOINT, HEALTHCHECK
    MULTIPLE_INSTRUCTIONS = Warning "MultipleInstructionsDisallowed", "An instruction has no effect: the stage has a later one of its kind";
    /// WORKDIR
    WORKDIR_RELATIVE_PATH = Warning "WorkdirRelativePath", "The first WORKDIR is relative to one that the base image sets";
    /// ARG, ENV
    SECRETS_USED = Warning "SecretsUsedInArgOrEnv", "An ARG or ENV has a secret's name: its value stays in the image";
    /// EXPOSE
    EXPOSE_PROTO_CASING = Warning "ExposeProtoCasing", "A protocol of EXPOSE has capital letters";
    /// EXPOSE
    EXPOSE_INVALID_FORMAT = Warning "ExposeInvalidFormat", "EXPOSE has an address or a port of the host, which have no effect";
    /// COPY, ADD
    COPY_IGNORED_FILE = Warning "CopyIgnoredFile", "The ignore file excludes what COPY or ADD names";
    /// FROM
    REDUNDANT_PLATFORM = Warning "RedundantTargetPlatform", "FROM has `--platform=$TARGETPLATFORM`, which is what it does anyway";
    /// FROM
    CONST_PLATFORM = Warning "FromPlatformFlagConstDisallowed", "FROM has a platform that does not depend on the build";
    /// FROM
    INVALID_DEFAULT_ARG = Warning "InvalidDefaultArgInFrom", "Without build arguments FROM has no image name";
    /// FROM
    BASE_PLATFORM = Warning "InvalidBaseImagePlatform", "The base image is for another platform than the build";
    /// RUN with a here-document.
    HEREDOC_WITHOUT_SET_E = Warning "HeredocWithoutSetE", "A here-document of RUN goes on after a command that fails";
    /// RUN
    RECURSIVE_CHANGE = Warning "RecursiveChangeOfCopied", "RUN changes modes or owners of files that COPY could have set";
    /// ADD
    UNPINNED_ADD = Warning "UnpinnedAdd", "ADD of a URL without --checksum";
    /// No FROM.
    NO_STAGE = Error "no-stage", "The Dockerfile has no FROM";
}
