//! Resource limits.

use crate::Case;
use crate::support::{Store, says};

pub(crate) const CASES: &[Case] =
    &[("limits::limits_are_dockers_within_the_hosts", limits_are_dockers_within_the_hosts)];

fn limits_are_dockers_within_the_hosts() {
    use rustix::process::{Resource, getrlimit};
    let store = Store::new();
    let text = says(&store.shell("ulimit -Hn; ulimit -Sn; ulimit -Ss; ulimit -Sc"));
    let lines: Vec<&str> = text.lines().collect();
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX).min(1 << 20).to_string();
    assert_eq!(lines, [most.as_str(), most.as_str(), "8192", "0"]);
}
