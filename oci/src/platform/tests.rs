use super::*;

#[test]
fn aliases_are_normalised_as_containerd_does() {
    let host = Platform::host().architecture;
    let cases = [
        ("linux/amd64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("x86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/arm/v5", "linux/arm/v5"),
        ("armhf", "linux/arm/v7"),
        ("armel", "linux/arm/v6"),
        ("i386", "linux/386"),
        ("386", "linux/386"),
        ("riscv64", "linux/riscv64"),
        ("windows/amd64", "windows/amd64"),
        ("macos/arm64", "darwin/arm64"),
    ];
    for (text, expected) in cases {
        let platform: Platform = text.parse().unwrap();
        assert_eq!(platform.to_string(), expected, "{text}");
        assert_eq!(expected.parse(), Ok(platform), "{text}: parses back");
    }
    assert_eq!("linux".parse::<Platform>().unwrap().to_string(), format!("linux/{host}"));
}

#[test]
fn what_is_no_platform_is_refused() {
    for text in
        ["", "/", "linux/", "/amd64", "linux//v7", "linux/arm/v7/x", "linux/am d64", "linux/ämd64", "a:b"]
    {
        let Err(error) = text.parse::<Platform>() else { panic!("`{text}` was accepted") };
        assert!(error.to_string().contains("os/architecture"), "{error}");
    }
}

#[test]
fn the_host_is_normal() {
    assert_eq!(Platform::host().to_string().parse(), Ok(Platform::host()));
}
