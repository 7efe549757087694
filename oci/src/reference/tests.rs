use super::*;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn names_are_normalised_as_docker_does() {
    let digest = |name: &str| format!("{name}@{DIGEST}");
    let cases = [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("team/app", "docker.io/team/app:latest", "team/app:latest"),
        ("a/b/c:d", "docker.io/a/b/c:d", "a/b/c:d"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("example.org/app", "example.org/app:latest", "example.org/app:latest"),
        ("host:5000/a/b", "host:5000/a/b:latest", "host:5000/a/b:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("[2001:db8::1]/app:2", "[2001:db8::1]/app:2", "[2001:db8::1]/app:2"),
        ("Host/app", "Host/app:latest", "Host/app:latest"),
        ("docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"),
        ("docker.io/localhost/c", "docker.io/localhost/c:latest", "docker.io/localhost/c:latest"),
        ("app:A_b.c-1", "docker.io/library/app:A_b.c-1", "app:A_b.c-1"),
        ("a--b__c.d-e", "docker.io/library/a--b__c.d-e:latest", "a--b__c.d-e:latest"),
    ];
    for (text, full, familiar) in cases {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(
            (reference.to_string().as_str(), reference.familiar().as_str()),
            (full, familiar),
            "{text}"
        );
        assert_eq!(full.parse(), Ok(reference.clone()), "{text}");
        assert_eq!(familiar.parse(), Ok(reference), "{text}");
    }
    // An id with its algorithm is a name to Docker, too: stores look for ids first.
    assert_eq!(DIGEST.parse::<Reference>().unwrap().familiar_name(), "sha256");
    let pinned: Reference = digest("busybox").parse().unwrap();
    assert_eq!(pinned.to_string(), digest("docker.io/library/busybox"));
    assert_eq!(pinned.familiar(), digest("busybox"));
    assert_eq!(pinned.tag, None);
    let both: Reference = digest("localhost:1/x:tag").parse().unwrap();
    assert_eq!((both.tag.as_deref(), both.digest.is_some()), (Some("tag"), true));
    assert_eq!(both.to_string().parse(), Ok(both));
}

#[test]
fn what_docker_refuses_is_refused() {
    let long_name = "a".repeat(256);
    let long_tag = format!("a:{}", "t".repeat(129));
    let id = DIGEST.strip_prefix("sha256:").unwrap();
    let cases = [
        ("", "empty"),
        (":tag", "empty"),
        ("@", "digest"),
        (id, "64 hexadecimal"),
        ("Busybox", "lower case"),
        ("team/App", "lower case"),
        ("example.org/App", "lower-case"),
        ("a b", "repository"),
        ("a//b", "repository"),
        ("/a", "repository"),
        ("a/", "repository"),
        ("-a", "repository"),
        ("a-", "repository"),
        ("a..b", "repository"),
        ("a___b", "repository"),
        ("a._b", "repository"),
        ("ü", "repository"),
        ("a:", "tag"),
        ("a:.b", "tag"),
        ("a:-b", "tag"),
        ("a:b c", "tag"),
        (long_tag.as_str(), "tag"),
        (long_name.as_str(), "255"),
        ("-host.org/a", "registry"),
        ("host.org:/a", "registry"),
        ("host.org:x/a", "registry"),
        ("host..org/a", "registry"),
        ("[::1/a", "registry"),
        ("[]:5/a", "registry"),
        ("[::1]x/a", "registry"),
        ("a@sha256:123", "digest"),
        ("a@md5:0123", "digest"),
        ("../a", "registry"),
    ];
    for (text, why) in cases {
        let Err(error) = text.parse::<Reference>() else { panic!("`{text}` was accepted") };
        assert!(error.to_string().contains(why), "{text}: {error}");
    }
}
