use super::*;

#[test]
fn targets_in_proc_and_the_root_are_refused() {
    for target in ["/proc", "/proc/sys", "//proc/./x", "/a/../proc", "/", "/..", "data"] {
        assert!(matches!(check_target(target), Err(SandboxError::Spec(_))), "{target}");
    }
    for target in ["/data", "/procfs", "/dev/shm", "/sys/x"] {
        assert!(check_target(target).is_ok(), "{target}");
    }
}

#[test]
fn an_id_is_a_file_name() {
    for bad in ["", ".", "..", "a/b"] {
        assert!(!safe_name(bad), "{bad}");
    }
    assert!(safe_name("build-1"));
}
