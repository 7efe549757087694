//! `-v` and VOLUME.

use crate::Case;
use crate::support::{Home, request, shell};
use engine::container::{RunRequest, Volume, remove};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

pub(crate) const CASES: &[Case] = &[
    ("volumes::named_volumes_start_with_the_images_files", named_volumes_start_with_the_images_files),
    ("volumes::a_volume_keeps_what_it_has", a_volume_keeps_what_it_has),
    ("volumes::host_directories_are_mounted_and_made", host_directories_are_mounted_and_made),
    ("volumes::declared_volumes_go_with_the_container", declared_volumes_go_with_the_container),
    ("volumes::nested_volumes_nest", nested_volumes_nest),
];

fn with(volumes: &[&str], request: RunRequest) -> RunRequest {
    let volumes = volumes.iter().map(|text| Volume::parse(text, Path::new("/")).unwrap()).collect();
    RunRequest { volumes, ..request }
}

fn named_volumes_start_with_the_images_files() {
    let home = Home::new(&[]);
    let script = "stat -c '%n %a %u:%g %Y %h' /seed /seed/file; cat /seed/again";
    let expected =
        "/seed 1770 1000:1000 1600000000 2\n/seed/file 4755 1000:1000 1600000000 2\nfrom the image\n";
    assert_eq!(home.says(&with(&["seed:/seed"], shell(script))), expected);
    let names: Vec<_> = fs::read_dir(home.volume("seed").parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(home.says(&with(&["bare:/seed:nocopy"], shell("ls /seed"))), "");
}

fn a_volume_keeps_what_it_has() {
    let home = Home::new(&[]);
    home.says(&with(&["v1:/seed"], shell("rm /seed/again && echo mine > /seed/new")));
    assert_eq!(home.says(&with(&["v1:/seed"], shell("ls /seed"))), "file\nnew\n");
    let (text, code) = home.run(&with(&["v1:/seed:ro"], shell("touch /seed/x"))).unwrap();
    assert!(code == 1 && text.contains("Read-only"), "{text}");
}

fn host_directories_are_mounted_and_made() {
    let home = Home::new(&[]);
    let host = home.dir.path().join("host/new");
    home.says(&with(&[&format!("{}:/data", host.display())], shell("touch /data/made")));
    assert!(host.join("made").exists());
    assert_eq!(fs::metadata(&host).unwrap().permissions().mode() & 0o7777, 0o755);
    let file = host.join("made");
    fs::write(&file, "one\n").unwrap();
    assert_eq!(home.says(&with(&[&format!("{}:/one:ro", file.display())], shell("cat /one"))), "one\n");
}

fn declared_volumes_go_with_the_container() {
    let home = Home::new(&["VOLUME /seed /plain"]);
    let volumes = || fs::read_dir(home.dir.path().join("store/volumes")).map_or(0, Iterator::count);
    let kept = RunRequest { remove: false, name: Some("kept".into()), ..shell("ls /seed; mount | wc -l") };
    let text = home.says(&kept);
    assert!(text.starts_with("again\nfile\n"), "{text}");
    assert_eq!(volumes(), 2);
    home.says(&shell("touch /plain/x"));
    assert_eq!(volumes(), 2, "with --rm they are gone");
    remove(&home.store, "kept", false, true).unwrap();
    assert_eq!(volumes(), 0);
}

fn nested_volumes_nest() {
    let home = Home::new(&[]);
    let outer = home.dir.path().join("outer");
    let inner = home.dir.path().join("inner");
    fs::create_dir_all(outer.join("sub")).unwrap();
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("deep"), "").unwrap();
    let volumes = [format!("{}:/data/sub", inner.display()), format!("{}:/data", outer.display())];
    let request = with(&[&volumes[0], &volumes[1]], request(&["ls", "/data/sub"]));
    assert_eq!(home.says(&request), "deep\n");
    assert_eq!(fs::metadata(&inner).unwrap().nlink(), 2);
}
