//! Random trees.

use super::*;
use crate::layer::testing::{What, layer, planted};
use proptest::prelude::*;

/// Entries below `top`, by relative path; hard links by the first name below `top`.
fn below(view: &dyn Tree, top: &str) -> Vec<(Vec<u8>, Entry)> {
    let top = RootPath::new(top);
    let all = view.walk(&top).unwrap();
    let cut = if top.is_root() { 1 } else { top.as_bytes().len() + 1 };
    let mut firsts: std::collections::HashMap<RootPath, RootPath> = std::collections::HashMap::new();
    let mut out = Vec::new();
    for (path, mut entry) in all {
        if path == top || entry.kind == Kind::Socket {
            continue;
        }
        if let Kind::File { link_to, digest, .. } = &mut entry.kind {
            *digest = Some(view.content_digest(&path).unwrap());
            let head = link_to.take().unwrap_or_else(|| path.clone());
            let first = firsts.entry(head).or_insert_with(|| path.clone()).clone();
            *link_to = (first != path).then(|| RootPath::new(&first.as_bytes()[cut..]));
        }
        out.push((path.as_bytes()[cut..].to_vec(), entry));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_copied_tree_is_its_source(mut plans in layer()) {
        // Whiteouts and opaque directories mean nothing in a source.
        plans.retain(|plan| !matches!(plan.what, What::Whiteout));
        for plan in &mut plans {
            if let What::Dir { opaque } = &mut plan.what {
                *opaque = false;
            }
        }
        let source = planted(&plans);
        let ctx = Context::open(source.path(), &KeepAll, None, UNIX_EPOCH).unwrap();
        let mut image = Image::scratch();
        let req = request("/ /to/here", |req| req.owner = Ownership::Source);
        image.try_copy(&ctx, &req).unwrap();
        prop_assert_eq!(below(&ctx, "/"), below(&image.view(), "/to/here"));
        // And the same again, from the layer.
        let mut second = Image::scratch();
        second.copy_from(&image, "/to/here /again");
        prop_assert_eq!(below(&ctx, "/"), below(&second.view(), "/again"));
        let select_here = |tree: &dyn Tree, words| {
            select(tree, &request(words, |req| req.owner = Ownership::Source)).unwrap().digest(tree).unwrap()
        };
        prop_assert_eq!(select_here(&ctx, "/ /x"), select_here(&image.view(), "/to/here /x"));
    }
}
