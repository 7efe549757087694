//! What a container finds in /etc, and the last touch to its environment.

use crate::facts::HostFacts;
use crate::spec::{Network, Spec};

/// Path and contents of the files that are bound over /etc.
pub(super) fn files(spec: &Spec, host: &HostFacts) -> Vec<(&'static str, String)> {
    let mut files = vec![("/etc/resolv.conf", resolv_conf(spec, host))];
    if !spec.remove_stubs {
        files.push(("/etc/hostname", format!("{}\n", spec.hostname)));
    }
    files.push(("/etc/hosts", hosts(spec, host)));
    files
}

/// The host's, as it is where the network is the host's; elsewhere without servers that only the host reaches.
fn resolv_conf(spec: &Spec, host: &HostFacts) -> String {
    if spec.network == Network::Host {
        return host.resolv_conf.clone();
    }
    let local = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some("nameserver")
            && words.next().is_some_and(|address| address.starts_with("127.") || address == "::1")
    };
    host.resolv_conf.lines().filter(|line| !local(line)).fold(String::new(), |text, line| text + line + "\n")
}

fn hosts(spec: &Spec, host: &HostFacts) -> String {
    let mut text = if spec.remove_stubs {
        let name = &spec.hostname;
        format!("127.0.0.1\tlocalhost {name}\n::1\tlocalhost ip6-localhost ip6-loopback\n")
    } else if spec.network == Network::Host {
        host.hosts.clone()
    } else {
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
            .to_owned()
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for (name, address) in &spec.extra_hosts {
        // Without a network of its own, that is where the host's services are.
        let address = if address == "host-gateway" { "127.0.0.1" } else { address };
        text += &format!("{address}\t{name}\n");
    }
    text
}

/// The spec's, plus PATH and HOME where it has none.
pub(super) fn environment(spec: &Spec) -> Vec<String> {
    let has =
        |name: &str| spec.env.iter().any(|one| one.split_once('=').is_some_and(|(known, _)| known == name));
    let mut env = spec.env.clone();
    if !has("PATH") {
        env.push(format!("PATH={}", super::DEFAULT_PATH));
    }
    if !has("HOME") && !spec.user.home.is_empty() {
        env.push(format!("HOME={}", spec.user.home));
    }
    env
}
