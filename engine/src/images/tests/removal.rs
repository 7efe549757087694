//! `tag`, `rmi` and `images`.

use super::*;
use crate::images::Removed::{Deleted, Untagged};

#[test]
fn names_go_one_by_one_and_the_image_with_the_last() {
    let (_dir, store) = with_app();
    let id = access::resolve(&store, "app:1").unwrap().id;
    tag(&store, "app:1", &"app:2".parse().unwrap()).unwrap();
    assert_eq!(remove(&store, "app:1", false, &[]).unwrap(), [Untagged("app:1".into())]);
    assert!(access::resolve(&store, "app:2").is_ok());
    let gone = remove(&store, "app:2", false, &[]).unwrap();
    assert_eq!(gone, [Untagged("app:2".into()), Deleted(id.to_string())]);
    assert_eq!(list(&store, &[]).unwrap(), []);
    assert_eq!(store.content().list().unwrap(), [], "nothing is left of it");
    assert_eq!(std::fs::read_dir(store.root().join("layers")).unwrap().count(), 0);
    assert!(matches!(remove(&store, "app:2", false, &[]), Err(ImageError::NotFound(_))));
}

#[test]
fn ids_remove_images_with_one_name_or_by_force() {
    let (_dir, store) = with_app();
    let id = access::resolve(&store, "app:1").unwrap().id;
    tag(&store, "app:1", &"example.org/x:2".parse().unwrap()).unwrap();
    let error = shown(&remove(&store, &id.hex()[..12], false, &[]).expect_err("two names"));
    assert!(error.contains("app:1, example.org/x:2"), "{error}");
    let gone = remove(&store, &id.hex()[..12], true, &[]).unwrap();
    assert_eq!(gone.len(), 3);
    assert_eq!(gone[2], Deleted(id.to_string()));
}

#[test]
fn images_of_containers_stay_unless_forced() {
    let (_dir, store) = with_app();
    let id = access::resolve(&store, "app:1").unwrap().id;
    let in_use = [(id, "web".to_owned())];
    let error = shown(&remove(&store, "app:1", false, &in_use).expect_err("it is in use"));
    assert!(error.contains("container web"), "{error}");
    tag(&store, "app:1", &"app:2".parse().unwrap()).unwrap();
    assert_eq!(remove(&store, "app:1", false, &in_use).unwrap(), [Untagged("app:1".into())]);
    assert_eq!(remove(&store, "app:2", true, &in_use).unwrap().len(), 2);
}

#[test]
fn a_removal_beside_a_build_leaves_the_layers() {
    let (_dir, store) = with_app();
    let layer = access::resolve(&store, "app:1").unwrap().layers[0].layer;
    let running = store.work().unwrap();
    remove(&store, "app:1", false, &[]).unwrap();
    assert!(store.layers().contains(layer).unwrap(), "the build may be on it");
    drop(running);
    store.gc().unwrap();
    assert!(!store.layers().diff_dir(layer).exists());
}

#[test]
fn names_are_moved_and_checked() {
    let (_dir, store) = with_app();
    let other = result(&store, &[tar_of(&[file("other", b"2")])], None);
    store_image(&store, &other, &names(&["other"]), &Cancel::default()).unwrap();
    tag(&store, "other", &"app:1".parse().unwrap()).unwrap();
    let (app, other) = (access::resolve(&store, "app:1").unwrap(), access::resolve(&store, "other").unwrap());
    assert_eq!(app.id, other.id);
    let rows = list(&store, &["dangling=true".parse().unwrap()]).unwrap();
    assert_eq!(rows.len(), 1, "the image that lost its name is still there");
    let pinned = format!("x@{}", app.id).parse().unwrap();
    assert!(matches!(tag(&store, "app:1", &pinned), Err(ImageError::Pinned(_))));
    assert!(matches!(tag(&store, "nothing", &"x:1".parse().unwrap()), Err(ImageError::NotFound(_))));
}

#[test]
fn lists_are_filtered() {
    let (_dir, store) = with_app();
    let mut newer = result(&store, &[tar_of(&[file("other", b"2")])], None);
    newer.config.created = Some("2024-01-01T00:00:00Z".into());
    newer.config.config.labels = [("k".to_owned(), "v".to_owned())].into();
    let all = names(&["other:latest", "example.org/team/other:v1"]);
    store_image(&store, &newer, &all, &Cancel::default()).unwrap();
    let rows = |filters: &[&str]| -> Vec<String> {
        let filters: Vec<Filter> = filters.iter().map(|f| f.parse().unwrap()).collect();
        let rows = list(&store, &filters).unwrap();
        rows.iter()
            .map(|r| format!("{}:{}", r.repository.as_ref().unwrap(), r.tag.as_ref().unwrap()))
            .collect()
    };
    let both = ["example.org/team/other:v1", "other:latest"];
    assert_eq!(rows(&[]), [both[0], both[1], "app:1"]);
    assert_eq!(rows(&["label=k=v"]), both);
    assert_eq!(rows(&["label=k"]), both);
    assert_eq!(rows(&["label=k=w"]), [""; 0]);
    assert_eq!(rows(&["reference=other"]), ["other:latest"]);
    assert_eq!(rows(&["reference=*:l[a-c]test"]), ["other:latest"]);
    assert_eq!(rows(&["reference=*/*/*"]), ["example.org/team/other:v1"]);
    assert_eq!(rows(&["reference=ap?", "reference=other:*"]), ["other:latest", "app:1"]);
    assert_eq!(rows(&["reference=[^a]*:*"]), ["other:latest"]);
    assert_eq!(rows(&["before=other"]), ["app:1"]);
    assert_eq!(rows(&["since=app:1"]), both);
    assert_eq!(rows(&["dangling=false", "label=maker"]), ["app:1"]);
    for wrong in ["nonsense=1", "dangling=maybe", "label", ""] {
        assert!(wrong.parse::<Filter>().is_err(), "{wrong}");
    }
    assert!(list(&store, &[Filter::Before("nothing".into())]).is_err());
}
