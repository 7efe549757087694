//! Stages that need themselves.

use std::collections::BTreeMap;

/// A way from `start` to `end` along `edges`, both ends in it.
pub(super) fn way(edges: &[Vec<usize>], start: usize, end: usize) -> Option<Vec<usize>> {
    let mut before = BTreeMap::from([(start, start)]);
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        if at == end {
            let mut path = vec![at];
            while path.last() != Some(&start) {
                path.extend(path.last().and_then(|last| before.get(last)).copied());
            }
            path.reverse();
            return Some(path);
        }
        for next in &edges[at] {
            if !before.contains_key(next) {
                before.insert(*next, at);
                open.push(*next);
            }
        }
    }
    None
}
