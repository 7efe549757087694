use super::config::{environment, process};
use super::volume::{Source, Volume, VolumeError};
use super::{ContainerError, RunRequest, names, volume};
use oci::image::{DEFAULT_PATH, Empty, RunConfig};
use runner::spec::Network;
use std::path::Path;

fn request() -> RunRequest {
    RunRequest {
        image: "box".into(),
        command: vec![],
        entrypoint: None,
        env: vec![],
        workdir: None,
        user: None,
        volumes: vec![],
        name: None,
        hostname: None,
        network: Network::Host,
        remove: true,
        terminal: false,
        read_only: false,
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn argv(entrypoint: &str, cmd: &str, over: Option<&str>, command: &str) -> String {
    let image =
        RunConfig { entrypoint: Some(words(entrypoint)), cmd: Some(words(cmd)), ..RunConfig::default() };
    let request = RunRequest { entrypoint: over.map(str::to_owned), command: words(command), ..request() };
    process(&request, &image).map_or_else(|error| error.to_string(), |process| process.argv.join(" "))
}

#[test]
fn argv_is_entrypoint_and_command() {
    assert_eq!(argv("", "sh -l", None, ""), "sh -l");
    assert_eq!(argv("", "sh -l", None, "ls /"), "ls /");
    assert_eq!(argv("tool", "--help", None, ""), "tool --help");
    assert_eq!(argv("tool", "--help", None, "go"), "tool go");
    assert_eq!(argv("tool", "--help", Some("sh"), ""), "sh");
    assert_eq!(argv("tool", "--help", Some("sh"), "-c x"), "sh -c x");
    assert_eq!(argv("tool", "--help", Some(""), "ls"), "ls");
    assert_eq!(argv("tool", "--help", Some(""), ""), "no command specified: the image has none either");
    assert_eq!(argv("", "", None, ""), "no command specified: the image has none either");
}

#[test]
fn the_working_directory_is_absolute() {
    let image = RunConfig { working_dir: "/app".into(), cmd: Some(words("sh")), ..RunConfig::default() };
    let cwd = |workdir: Option<&str>| {
        process(&RunRequest { workdir: workdir.map(str::to_owned), ..request() }, &image).map(|p| p.cwd)
    };
    assert_eq!(cwd(None).unwrap(), "/app");
    assert_eq!(cwd(Some("/x")).unwrap(), "/x");
    assert!(matches!(cwd(Some("x")), Err(ContainerError::Workdir(_))));
}

#[test]
fn later_settings_of_the_environment_win() {
    let image = RunConfig { env: words("A=image B=image"), ..RunConfig::default() };
    let request = RunRequest { env: words("B=mine C= A"), terminal: true, ..request() };
    let path = format!("PATH={DEFAULT_PATH}");
    assert_eq!(environment(&request, &image, "host"), [&path, "HOSTNAME=host", "TERM=xterm", "B=mine", "C="]);
    let image = RunConfig { env: words("PATH=/only"), ..RunConfig::default() };
    assert_eq!(environment(&super::tests::request(), &image, "h"), ["PATH=/only", "HOSTNAME=h"]);
}

fn parsed(text: &str) -> Result<(Source, String, bool), VolumeError> {
    Volume::parse(text, Path::new("/here")).map(|volume| (volume.source, volume.target, volume.read_only))
}

#[test]
fn volumes_are_host_paths_names_or_anonymous() {
    assert_eq!(parsed("/host:/data:ro"), Ok((Source::Host("/host".into()), "/data".into(), true)));
    assert_eq!(parsed("./x:/data/../d//e/"), Ok((Source::Host("/here/./x".into()), "/d/e".into(), false)));
    assert_eq!(parsed("name-1:/data:rw,z"), Ok((Source::Named("name-1".into()), "/data".into(), false)));
    assert_eq!(parsed("/data"), Ok((Source::Anonymous, "/data".into(), false)));
}

#[test]
fn other_volumes_are_refused() {
    for (text, kind) in [
        ("a:b:c:d", VolumeError::Form("a:b:c:d".into())),
        (":/data", VolumeError::Form(":/data".into())),
        ("/host:data", VolumeError::Target("/host:data".into())),
        ("/host:/..", VolumeError::Target("/host:/..".into())),
        ("a/b:/data", VolumeError::Name("a/b".into())),
        (
            "/host:/data:shared",
            VolumeError::Option { spec: "/host:/data:shared".into(), option: "shared".into() },
        ),
    ] {
        assert_eq!(parsed(text), Err(kind));
    }
}

#[test]
fn the_images_volumes_are_anonymous_unless_covered() {
    let image = RunConfig {
        volumes: ["/data", "/a/b/", "/a"].map(|target| (target.to_owned(), Empty {})).into(),
        ..RunConfig::default()
    };
    let asked = [Volume::parse("/host:/data", Path::new("/")).unwrap()];
    let all = volume::all(&asked, &image).unwrap();
    let text = format!("{all:?}");
    assert_eq!(all.iter().filter(|mount| mount.anonymous.is_some()).count(), 2, "{text}");
    assert!(text.find("\"/a\"") < text.find("\"/a/b\""), "outer first: {text}");
    let twice = [asked[0].clone(), Volume::parse("other:/data", Path::new("/")).unwrap()];
    assert!(matches!(volume::all(&twice, &image), Err(ContainerError::Volume(VolumeError::Twice(_)))));
}

#[test]
fn names_follow_dockers_rule() {
    for good in ["ab", "a_b", "9.x-y"] {
        assert!(names::valid(good), "{good}");
    }
    for bad in ["", "a", "_a", "a/b", "ä1"] {
        assert!(!names::valid(bad), "{bad}");
    }
    let name = names::make_up([7, 9], |_| false);
    assert!(names::valid(&name), "{name}");
    assert_eq!(names::make_up([7, 9], |taken| taken == name), format!("{name}1"));
}
