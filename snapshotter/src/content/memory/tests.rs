use super::*;

#[test]
fn keeps_the_contract() {
    crate::contract::content(&|| Box::new(MemoryContent::default()));
}
