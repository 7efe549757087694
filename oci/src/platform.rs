//! Platforms: `os/architecture[/variant]` (image-spec, image-index.md, "platform").

use std::fmt;
use std::str::FromStr;

/// A normalised platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Platform {
    /// `linux`
    pub os: String,
    /// GOARCH name: `amd64`, `arm64`, …
    pub architecture: String,
    /// `v7`, `v8`, … where the architecture has variants and it is not the default one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variant: Option<String>,
}

/// Why a string is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform of the form os/architecture[/variant], such as linux/amd64")]
pub struct ParsePlatformError(String);

impl Platform {
    /// The platform of this build of lapstrake.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|v| write!(f, "/{v}"))
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    /// Accepts the aliases that containerd's platform parser accepts (`x86_64`, `aarch64`, `armhf`, …).
    fn from_str(text: &str) -> Result<Self, ParsePlatformError> {
        let bad = || ParsePlatformError(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        let word =
            |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if parts.len() > 3 || !parts.iter().all(|p| word(p)) {
            return Err(bad());
        }
        let (os, arch, variant) = match parts.as_slice() {
            [one] if ["linux", "windows", "darwin", "macos", "freebsd"].contains(one) => {
                (*one, Platform::host().architecture, None)
            }
            [arch] => ("linux", (*arch).to_owned(), None),
            [os, arch] => (*os, (*arch).to_owned(), None),
            [os, arch, variant] => (*os, (*arch).to_owned(), Some(*variant)),
            _ => return Err(bad()),
        };
        let (arch, variant) = match (arch.as_str(), variant) {
            ("x86_64" | "x86-64" | "amd64", Some("v1") | None) => ("amd64", None),
            ("x86_64" | "x86-64" | "amd64", v) => ("amd64", v),
            ("aarch64" | "arm64", Some("v8" | "8") | None) => ("arm64", None),
            ("aarch64" | "arm64", v) => ("arm64", v),
            ("armhf", _) => ("arm", Some("v7")),
            ("armel", _) => ("arm", Some("v6")),
            ("arm", None | Some("7")) => ("arm", Some("v7")),
            ("arm", Some("5")) => ("arm", Some("v5")),
            ("arm", Some("6")) => ("arm", Some("v6")),
            ("i386" | "386", _) => ("386", None),
            (other, v) => (other, v),
        };
        let os = if os == "macos" { "darwin" } else { os };
        Ok(Self { os: os.into(), architecture: arch.into(), variant: variant.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests;
