use super::*;

const HYBRID: &str = "\
26 23 0:23 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
28 26 0:25 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
29 26 0:26 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,name=systemd
32 26 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
33 26 0:30 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
";
const OWN: &str = "9:name=systemd:/user.slice\n4:cpu,cpuacct:/\n3:memory:/box/7\n0::/user.slice\n";

#[test]
fn a_hybrid_host_has_both_kinds() {
    let found = cgroups(HYBRID, OWN);
    assert_eq!(found.unified, Some("/sys/fs/cgroup/unified".into()));
    let expected = [
        ("systemd", "/sys/fs/cgroup/systemd/user.slice"),
        ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct"),
        ("memory", "/sys/fs/cgroup/memory/box/7"),
    ];
    let expected: Vec<_> = expected.iter().map(|(n, p)| ((*n).to_owned(), PathBuf::from(p))).collect();
    assert_eq!(found.version1, expected);
}

#[test]
fn a_unified_host_has_no_version_1() {
    let found =
        cgroups("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n", "0::/init.scope\n");
    assert_eq!(found, Cgroups { unified: Some("/sys/fs/cgroup".into()), version1: vec![] });
}

#[test]
fn the_bounding_set_is_read_from_status() {
    assert_eq!(bounding_set("Name:\tx\nCapBnd:\t000001fffeffffff\n"), 0x1ff_feff_ffff);
}
