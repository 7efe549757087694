use super::*;

const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n# comment\nbin:x:1:1::/bin:\nbroken line\n\
ann:x:1000:1001:Ann,,,:/home/ann:/bin/sh\n500:x:7:8::/odd:\nnohome:x:9:9:::/bin/sh\n";
const GROUP: &[u8] = b"root:x:0:\nwheel:x:10:root,ann\nann:x:1001:\naudio:x:63:bin,ann\ndupe:x:10:ann\n";

fn check(spec: &str, expected: Result<(u32, u32, &[u32], &str), &str>) {
    let found = resolve(spec, Some(PASSWD), Some(GROUP));
    match (found, expected) {
        (Ok(user), Ok((uid, gid, groups, home))) => {
            let expected = User { uid, gid, groups: groups.to_vec(), home: home.to_owned() };
            assert_eq!(user, expected, "{spec}");
        }
        (Err(error), Err(message)) => assert_eq!(error.to_string(), message, "{spec}"),
        (found, expected) => panic!("{spec}: {found:?}, expected {expected:?}"),
    }
}

#[test]
fn names_and_known_numbers_bring_their_groups() {
    check("ann", Ok((1000, 1001, &[1001, 10, 63], "/home/ann")));
    check("1000", Ok((1000, 1001, &[1001, 10, 63], "/home/ann")));
    check("", Ok((0, 0, &[0, 10], "/root")));
    check("nohome", Ok((9, 9, &[9], "/")));
}

#[test]
fn a_group_stands_alone() {
    check("ann:wheel", Ok((1000, 10, &[10], "/home/ann")));
    check("ann:63", Ok((1000, 63, &[63], "/home/ann")));
    check("4321:4322", Ok((4321, 4322, &[4322], "/")));
    check(":audio", Ok((0, 63, &[63], "/root")));
}

#[test]
fn unknown_numbers_are_ids_and_unknown_names_errors() {
    check("4321", Ok((4321, 0, &[0], "/")));
    check("500", Ok((7, 8, &[8], "/odd")));
    check("bob", Err("unable to find user bob: no matching entries in passwd file"));
    check("ann:nope", Err("unable to find group nope: no matching entries in group file"));
    check("-1", Err("uids and gids must be in range 0-2147483647"));
    check("2147483648", Err("uids and gids must be in range 0-2147483647"));
}

#[test]
fn no_files_means_numbers_only() {
    let user = resolve("", None, None).unwrap();
    assert_eq!(user, User { uid: 0, gid: 0, groups: vec![0], home: "/".into() });
    assert_eq!(resolve("a", None, None), Err(UserError::UnknownUser("a".into())));
}
