//! Environment, ids, capabilities, exit codes.

use crate::Case;
use crate::support::{Store, assert_nothing_left, output, says, try_output};
use runner::SandboxError;
use runner::spec::{Exit, Network, User};
use std::fs;
use std::os::unix::fs::PermissionsExt;

pub(crate) const CASES: &[Case] = &[
    ("process::exit_codes_are_the_programs", exit_codes_are_the_programs),
    ("process::a_signal_is_an_exit", a_signal_is_an_exit),
    ("process::missing_programs_are_127", missing_programs_are_127),
    ("process::unfit_programs_are_126", unfit_programs_are_126),
    ("process::it_is_pid_1_and_sees_nobody_else", it_is_pid_1_and_sees_nobody_else),
    ("process::the_environment_is_the_specs", the_environment_is_the_specs),
    ("process::root_has_14_capabilities", root_has_14_capabilities),
    ("process::a_user_has_none_and_its_groups", a_user_has_none_and_its_groups),
    ("process::no_new_privileges_is_set_on_request", no_new_privileges_is_set_on_request),
    ("process::the_working_directory_is_made", the_working_directory_is_made),
    ("process::the_hostname_is_its_own", the_hostname_is_its_own),
    ("process::network_none_has_lo_alone", network_none_has_lo_alone),
    ("process::no_descriptor_of_the_host_is_open", no_descriptor_of_the_host_is_open),
    ("process::signals_are_default_and_umask_is_022", signals_are_default_and_umask_is_022),
    ("process::a_bad_spec_is_refused", a_bad_spec_is_refused),
    ("process::its_own_executable_cannot_be_written", its_own_executable_cannot_be_written),
];

fn exit_codes_are_the_programs() {
    let store = Store::new();
    for code in [0_u8, 1, 77, 255] {
        let spec = store.shell(&format!("exit {code}"));
        assert_eq!(output(&spec).1, Exit::Code(code));
        assert_nothing_left(&spec);
    }
}

fn a_signal_is_an_exit() {
    let store = Store::new();
    // The first process ignores what it has no handler for, so a child is asked.
    let (text, exit) = output(&store.shell("sh -c 'kill -TERM $$' 2>/dev/null; echo $?"));
    assert_eq!((text.trim(), exit), ("143", Exit::Code(0)));
}

fn missing_programs_are_127() {
    let store = Store::new();
    for (program, message) in [
        ("nope", "exec: \"nope\": executable file not found in $PATH"),
        ("/bin/nope", "exec: \"/bin/nope\": no such file or directory"),
        ("/bin/sh/x", "exec: \"/bin/sh/x\": no such file or directory"),
    ] {
        let spec = store.spec(&[program]);
        let error = try_output(&spec).unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().as_str()), (127, message));
        assert_nothing_left(&spec);
    }
}

fn unfit_programs_are_126() {
    let store = Store::new();
    let plain = store.layer().join("bin/plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    fs::write(store.layer().join("bin/garbage"), "no program").unwrap();
    fs::set_permissions(store.layer().join("bin/garbage"), fs::Permissions::from_mode(0o755)).unwrap();
    for (program, errno) in [("plain", libc::EACCES), ("/bin", libc::EISDIR), ("garbage", libc::ENOEXEC)] {
        let error = try_output(&store.spec(&[program])).unwrap_err();
        assert_eq!(error.exit_code(), 126, "{program}");
        let SandboxError::NotExecutable { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source.raw_os_error(), Some(errno), "{program}");
    }
}

fn it_is_pid_1_and_sees_nobody_else() {
    let store = Store::new();
    let text = says(&store.shell("echo $$; ls -d /proc/[0-9]* | wc -l"));
    let numbers: Vec<u32> = text.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(numbers[0], 1);
    assert!(numbers[1] <= 3, "{text}");
}

fn the_environment_is_the_specs() {
    let store = Store::new();
    let mut spec = store.spec(&["env"]);
    spec.env.push("A=b c".to_owned());
    let text = says(&spec);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["A=b c", "HOME=/root", "PATH=/bin:/usr/bin"]);
}

fn status(field: &str) -> String {
    format!("grep '^{field}:' /proc/self/status | cut -f2")
}

fn root_has_14_capabilities() {
    let store = Store::new();
    for field in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(says(&store.shell(&status(field))).trim(), "00000000a80425fb", "{field}");
    }
    for field in ["CapInh", "CapAmb"] {
        assert_eq!(says(&store.shell(&status(field))).trim(), "0000000000000000", "{field}");
    }
    let mut spec = store.shell(&status("CapEff"));
    spec.capabilities = vec!["CHOWN".to_owned(), "SYS_RESOURCE".to_owned()];
    let held = u64::from_str_radix(says(&spec).trim(), 16).unwrap();
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap();
    let own = u64::from_str_radix(own.trim(), 16).unwrap();
    assert_eq!(held, (1 | 1 << 24) & own, "no more than we have ourselves");
}

fn a_user_has_none_and_its_groups() {
    let store = Store::new();
    let script = format!("id -u; id -g; id -G; {}; {}", status("CapEff"), status("CapBnd"));
    let mut spec = store.shell(&script);
    spec.user = User { uid: 1000, gid: 1001, groups: vec![1001, 63], home: "/".to_owned() };
    let text = says(&spec);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines, ["1000", "1001", "1001 63", "0000000000000000", "00000000a80425fb"]);
}

fn no_new_privileges_is_set_on_request() {
    let store = Store::new();
    let mut spec = store.shell(&status("NoNewPrivs"));
    assert_eq!(says(&spec).trim(), "0");
    spec = store.shell(&status("NoNewPrivs"));
    spec.no_new_privileges = true;
    assert_eq!(says(&spec).trim(), "1");
}

fn the_working_directory_is_made() {
    let store = Store::new();
    let mut spec = store.spec(&["pwd"]);
    spec.cwd = "/new/deep".to_owned();
    assert_eq!(says(&spec).trim(), "/new/deep");
    assert!(crate::support::upper(&spec).join("new/deep").is_dir());
}

fn the_hostname_is_its_own() {
    let store = Store::new();
    assert_eq!(says(&store.spec(&["hostname"])).trim(), "buildkitsandbox");
    let mut spec = store.shell("hostname; cat /etc/hostname");
    spec.hostname = "0123456789ab".to_owned();
    spec.remove_stubs = false;
    assert_eq!(says(&spec), "0123456789ab\n0123456789ab\n");
}

fn network_none_has_lo_alone() {
    let store = Store::new();
    let script = "ls /sys/class/net; cat /sys/class/net/lo/flags; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; \
                  cat /proc/sys/net/ipv4/ping_group_range; cat /etc/hosts";
    let mut spec = store.shell(script);
    spec.network = Network::None;
    spec.extra_hosts = vec![("db".to_owned(), "10.0.0.9".to_owned())];
    let text = says(&spec);
    assert!(text.starts_with("lo\n0x9\n0\n0\t2147483647\n127.0.0.1\tlocalhost buildkitsandbox\n"), "{text}");
    assert!(text.ends_with("10.0.0.9\tdb\n"), "{text}");
}

fn no_descriptor_of_the_host_is_open() {
    let store = Store::new();
    // The fourth is the directory that ls reads.
    assert_eq!(says(&store.shell("exec ls /proc/self/fd")), "0\n1\n2\n3\n");
}

fn signals_are_default_and_umask_is_022() {
    let store = Store::new();
    let script = format!("{}; {}; umask", status("SigIgn"), status("SigBlk"));
    assert_eq!(says(&store.shell(&script)), "0000000000000000\n0000000000000000\n0022\n");
}

fn a_bad_spec_is_refused() {
    let store = Store::new();
    let refused = |change: fn(&mut runner::spec::Spec)| {
        let mut spec = store.spec(&["true"]);
        change(&mut spec);
        let error = try_output(&spec).unwrap_err();
        assert!(matches!(error, SandboxError::Spec(_)), "{error:?}");
        assert_eq!(error.exit_code(), 125);
    };
    refused(|spec| spec.argv.clear());
    refused(|spec| spec.id = "../x".to_owned());
    refused(|spec| spec.capabilities = vec!["NOPE".to_owned()]);
    refused(|spec| {
        spec.mounts = vec![runner::spec::Mount::Tmpfs { target: "/proc/x".into(), size: None, mode: None }];
    });
}

fn its_own_executable_cannot_be_written() {
    let store = Store::new();
    // Run as a program, the link names the executable of this test.
    std::os::unix::fs::symlink("/proc/self/exe", store.layer().join("bin/self")).unwrap();
    let spec = store.spec(&["/bin/self", "--is-self-read-only"]);
    let (text, exit) = output(&spec);
    assert_eq!((text.trim(), exit), ("read-only: true", Exit::Code(1)));
}
