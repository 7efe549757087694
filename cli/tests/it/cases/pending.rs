//! What is known to differ from what was recorded.

/// Case and build, and why. A build that is here and does not differ is a failure too.
pub(super) const PENDING: &[(&str, &str)] = &[];
