use super::*;

#[test]
fn calls_are_read_as_buildx_reads_them() {
    let read = |text: &str| text.parse::<Call>();
    assert_eq!(read("check"), Ok(Call::CHECK));
    assert_eq!(read("lint"), Ok(Call::CHECK));
    assert!(read("build").unwrap().builds());
    let json = Call { method: Method::Outline, json: true, ignore_status: false };
    assert_eq!(read("outline,format=json"), Ok(json));
    let ignoring = Call { ignore_status: true, ..Call::CHECK };
    assert_eq!(read("check,format=text,ignorestatus=true"), Ok(ignoring));
    assert!(read("subrequests.describe").unwrap_err().contains("`subrequests.describe` is not supported"));
    assert!(read("outlin").unwrap_err().contains("did you mean `outline`?"));
    assert!(read("check,format=xml").unwrap_err().contains("`format=xml`"));
}
