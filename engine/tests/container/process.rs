//! What the process gets from image and request, and what comes back.

use crate::Case;
use crate::support::{Home, request, shell};
use engine::container::{Attach, ContainerError, RunRequest, run};
use runner::spec::Network;
use std::fs;
use std::io::Read;

pub(crate) const CASES: &[Case] = &[
    ("process::exit_codes_are_dockers", exit_codes_are_dockers),
    ("process::the_images_config_counts", the_images_config_counts),
    ("process::the_request_goes_before_the_image", the_request_goes_before_the_image),
    ("process::names_and_numbers_are_users", names_and_numbers_are_users),
    ("process::input_is_read_only_if_asked", input_is_read_only_if_asked),
    ("process::large_output_is_whole", large_output_is_whole),
    ("process::hostname_and_network", hostname_and_network),
    ("process::a_read_only_container_writes_nowhere", a_read_only_container_writes_nowhere),
    ("process::a_terminal_is_one", a_terminal_is_one),
    ("process::interactive_terminals_need_one", interactive_terminals_need_one),
];

fn exit_codes_are_dockers() {
    let home = Home::new(&[]);
    assert_eq!(home.run(&shell("exit 7")).unwrap().1, 7);
    assert_eq!(home.run(&shell("kill -9 $$; sleep 1; exit 3")).unwrap().1, 3, "pid 1 does not kill itself");
    let code = |request: &RunRequest| home.run(request).unwrap_err().exit_code();
    assert_eq!(code(&request(&["nope"])), 127);
    assert_eq!(code(&request(&["/etc"])), 126);
    assert_eq!(code(&request(&[])), 125);
    assert_eq!(code(&RunRequest { image: "absent".into(), ..request(&["true"]) }), 125);
    assert_eq!(code(&RunRequest { user: Some("bob".into()), ..request(&["true"]) }), 125);
    assert_eq!(code(&RunRequest { workdir: Some("x".into()), ..request(&["true"]) }), 125);
    assert_eq!(code(&RunRequest { name: Some("-".into()), ..request(&["true"]) }), 125);
    assert!(home.containers().is_empty(), "{:?}", home.containers());
}

fn the_images_config_counts() {
    let home = Home::new(&[
        "ENV A=1 PATH=/bin",
        "WORKDIR /made",
        "USER ann",
        "ENTRYPOINT [\"sh\", \"-c\"]",
        "CMD [\"pwd; id -u; env | sort\"]",
    ]);
    let text = home.says(&request(&[]));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["/made", "1000"]);
    assert_eq!(lines[2..4], ["A=1", "HOME=/home/ann"], "{text}");
    let hostname = lines[4].strip_prefix("HOSTNAME=").unwrap();
    assert_eq!(hostname.len(), 12);
    assert!(hostname.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(lines[5], "PATH=/bin");
}

fn the_request_goes_before_the_image() {
    let home =
        Home::new(&["ENV A=1 B=2", "WORKDIR /made", "USER ann", "ENTRYPOINT [\"echo\"]", "CMD [\"image\"]"]);
    assert_eq!(home.says(&request(&["mine"])), "mine\n");
    let request = RunRequest {
        entrypoint: Some("sh".into()),
        env: vec!["A=x".into(), "B".into()],
        workdir: Some("/other".into()),
        user: Some("0".into()),
        ..request(&["-c", "echo $A-$B; pwd; id -u"])
    };
    assert_eq!(home.says(&request), "x-\n/other\n0\n");
}

fn names_and_numbers_are_users() {
    let home = Home::new(&[]);
    let id = |user: &str| {
        home.says(&RunRequest { user: Some(user.into()), ..shell("id -u; id -g; id -G; echo $HOME") })
    };
    assert_eq!(id("ann"), "1000\n1001\n1001 63\n/home/ann\n");
    assert_eq!(id("1000:audio"), "1000\n63\n63\n/home/ann\n");
    assert_eq!(id("4242"), "4242\n0\n0\n/\n");
}

fn input_is_read_only_if_asked() {
    let home = Home::new(&[]);
    assert_eq!(home.run_with(&request(&["cat"]), Some("typed")).unwrap(), ("typed".to_owned(), 0));
    assert_eq!(home.run(&request(&["cat"])).unwrap(), (String::new(), 0));
}

fn large_output_is_whole() {
    let home = Home::new(&[]);
    let text = home.says(&shell("head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2"));
    assert_eq!(text.len(), 3_000_004);
}

fn hostname_and_network() {
    let home = Home::new(&[]);
    let request = RunRequest {
        hostname: Some("ship".into()),
        network: Network::None,
        ..shell("hostname; echo $HOSTNAME; cat /etc/hostname; ls /sys/class/net")
    };
    assert_eq!(home.says(&request), "ship\nship\nship\nlo\n");
}

fn a_read_only_container_writes_nowhere() {
    let home = Home::new(&[]);
    let request = RunRequest { read_only: true, ..shell("touch /x; touch /dev/shm/y && echo shm") };
    let text = home.says(&request);
    // Of two streams: which one is read first is open.
    assert!(text.contains("Read-only file system") && text.contains("shm\n"), "{text}");
}

/// The caller's output is a terminal here, its input nothing.
fn a_terminal_is_one() {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let home = Home::new(&[]);
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let size = rustix::termios::Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, size).unwrap();
    let read = std::thread::spawn(move || {
        let (mut text, mut buffer, mut master) = (Vec::new(), [0; 4096], fs::File::from(master));
        while let Ok(length @ 1..) = master.read(&mut buffer) {
            text.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8(text).unwrap()
    });
    let attach =
        Attach { stdin: Some(slave.try_clone().unwrap()), stdout: slave.try_clone().unwrap(), stderr: slave };
    let request = RunRequest { terminal: true, ..shell("tty; stty size; echo $TERM") };
    assert_eq!(run(&home.store, &request, attach).unwrap(), 0);
    let text = read.join().unwrap();
    assert_eq!(text.replace('\r', ""), "/dev/pts/0\n40 100\nxterm\n");
}

fn interactive_terminals_need_one() {
    let home = Home::new(&[]);
    let request = RunRequest { terminal: true, ..shell("true") };
    let error = home.run_with(&request, Some("")).unwrap_err();
    assert!(matches!(error, ContainerError::NotATerminal), "{error:?}");
    assert_eq!(home.run(&request).unwrap().1, 0, "without -i it does not matter");
}
