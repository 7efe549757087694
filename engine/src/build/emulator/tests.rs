use super::*;

/// As the kernel shows what Debian's qemu-user-static registers.
const AARCH64: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\n\
    magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

#[test]
fn a_handler_is_known_by_its_magic() {
    let handler = Handler::parse(AARCH64).unwrap();
    assert!(handler.fixed);
    assert_eq!(handler.interpreter, Path::new("/usr/bin/qemu-aarch64-static"));
    assert!(handler.takes("arm64"));
    for other in ["arm", "amd64", "s390x", "riscv64", "unheard-of"] {
        assert!(!handler.takes(other), "{other}");
    }
}

#[test]
fn a_handler_that_is_off_or_goes_by_name_takes_nothing() {
    assert_eq!(Handler::parse(&AARCH64.replace("enabled", "disabled")), None);
    assert_eq!(Handler::parse("enabled\ninterpreter /usr/bin/java\nflags: \nextension .jar\n"), None);
    assert!(!Handler::parse(&AARCH64.replace("OCF", "OC")).unwrap().fixed);
    let short = Handler::parse("enabled\ninterpreter /x\nflags: F\noffset 18\nmagic b700\n").unwrap();
    assert!(short.takes("arm64") && !short.takes("arm"));
    assert!(
        !Handler::parse("enabled\ninterpreter /x\nflags: F\noffset 100\nmagic b7\n").unwrap().takes("arm64")
    );
}

#[test]
fn an_emulator_is_looked_for_by_its_names_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = [dir.path().join("none"), dir.path().to_owned()];
    assert_eq!(emulator("aarch64", &path), None);
    for name in ["qemu-aarch64", "qemu-aarch64-static"] {
        std::fs::write(dir.path().join(name), "").unwrap();
        assert_eq!(emulator("aarch64", &path), Some(dir.path().join(name)));
    }
}

#[test]
fn an_emulator_comes_before_the_program() {
    let (mut argv, mut mounts) = (vec!["/bin/sh".to_owned()], vec![]);
    Way::Plain.apply(&mut argv, &mut mounts);
    assert_eq!((argv.len(), mounts.len()), (1, 0));
    Way::Prefix("/usr/bin/qemu-arm-static".into()).apply(&mut argv, &mut mounts);
    assert_eq!(argv, [PLACE, "/bin/sh"]);
    assert_eq!(mounts[0].target(), PLACE);
    assert!(native("amd64") && native("386") && !native("arm64"));
}
