use super::*;

#[test]
fn the_default_set_is_dockers_mask() {
    assert_eq!(mask(&default_names()), Ok(0xa804_25fb));
}

#[test]
fn names_come_in_any_case_with_or_without_prefix() {
    assert_eq!(bit("cap_sys_admin"), Some(1 << 21));
    assert_eq!(bit("Sys_Admin"), Some(1 << 21));
    assert_eq!(bit("CHECKPOINT_RESTORE"), Some(1 << 40));
    assert_eq!(bit("SYS_NOPE"), None);
    assert_eq!(mask(&["CHOWN".into(), "NOPE".into()]), Err("NOPE".into()));
}
