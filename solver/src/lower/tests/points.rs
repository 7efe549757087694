//! Points that a snapshot shows less well than a sentence.

use super::super::names;
use super::*;
use crate::graph::{CopyFrom, CopySource, Network, Op, StepId};

fn ok(src: &str, request: &LowerRequest) -> Graph {
    run(src, request).unwrap_or_else(|findings| panic!("{findings:?}"))
}

fn errors(src: &str, request: &LowerRequest) -> Vec<&'static str> {
    let findings = run(src, request).expect_err("an error was expected");
    findings.iter().filter(|f| f.is_error()).map(|f| f.rule.name).collect()
}

fn runs(graph: &Graph) -> Vec<&crate::graph::Run> {
    graph.steps.iter().filter_map(|s| if let Op::Run(run) = &s.op { Some(run) } else { None }).collect()
}

#[test]
fn needed_images_are_named_once_with_place_and_platform() {
    let src = "FROM --platform=linux/arm64 a AS x\nFROM a\nCOPY --from=a /1 /1\nCOPY --from=b /2 /2\nCOPY --from=x /3 /3\n";
    let file = parser::parse(src).file;
    let request = LowerRequest { host: "linux/amd64".parse().unwrap(), ..LowerRequest::default() };
    let Ok(Lowered::NeedImages(needed)) = lower(&file, src, &request, &BaseImages::new()) else {
        panic!("three images are needed");
    };
    let mut list: Vec<(String, String, &str)> =
        needed.iter().map(|n| (n.reference.clone(), n.platform.to_string(), &src[n.span.clone()])).collect();
    list.sort();
    let expected = [("a", "linux/amd64", "a"), ("a", "linux/arm64", "a"), ("b", "linux/amd64", "b")];
    assert_eq!(list, expected.map(|(r, p, s)| (r.to_owned(), p.to_owned(), s)));
}

#[test]
fn triggers_of_an_image_may_need_further_images() {
    let trigger = BaseImage {
        config: {
            let mut config = ImageConfig::scratch(&Platform::host());
            config.config.on_build = vec!["COPY --from=tools /bin/x /bin/x".into()];
            config
        },
        layers: vec![LayerId::from_bytes([1; 32])],
    };
    let src = "FROM parent\n";
    let file = parser::parse(src).file;
    let bases = BaseImages::from([(("parent".to_owned(), Platform::host()), trigger)]);
    let Ok(Lowered::NeedImages(needed)) = lower(&file, src, &LowerRequest::default(), &bases) else {
        panic!("the trigger's image is needed");
    };
    assert_eq!(needed.iter().map(|n| n.reference.as_str()).collect::<Vec<_>>(), ["tools"]);
    assert_eq!(&src[needed[0].span.clone()], "FROM parent");
}

#[test]
fn unneeded_stages_make_no_step_and_need_no_image() {
    let src = "FROM nothing AS unused\nRUN --mount=type=cache,target=/x false\nFROM busybox\nRUN true\n";
    let graph = ok(src, &LowerRequest::default());
    assert_eq!(graph.steps.len(), 2);
    assert_eq!(
        errors("FROM Bad:Name:x AS unused\nFROM busybox\n", &LowerRequest::default()),
        ["bad-image-name"]
    );
}

#[test]
fn one_image_named_twice_is_one_step() {
    let src = "FROM busybox AS a\nRUN 1\nFROM busybox\nCOPY --from=a /x /x\nCOPY --from=busybox /y /y\n";
    let graph = ok(src, &LowerRequest::default());
    assert_eq!(graph.steps.iter().filter(|s| matches!(s.op, Op::Base { .. })).count(), 1);
    let Some(Op::Copy(copy)) = graph.steps.last().map(|s| &s.op) else { panic!("the last step copies") };
    assert_eq!(copy.from, CopyFrom::Step(Some(StepId(0))));
}

#[test]
fn an_arg_is_in_a_runs_environment_from_its_declaration_on() {
    let graph = ok("FROM busybox\nRUN 1\nARG a=x\nRUN 2\n", &LowerRequest::default());
    let with: Vec<bool> = runs(&graph).iter().map(|r| r.env.contains(&"a=x".to_owned())).collect();
    assert_eq!(with, [false, true]);
}

#[test]
fn environments_are_sorted() {
    let graph = ok("FROM busybox\nENV z=1 a=2 M=3\nRUN 1\n", &LowerRequest::default());
    assert!(runs(&graph)[0].env.is_sorted());
}

#[test]
fn proxies_are_in_no_history_config_or_environment() {
    let build_args = BTreeMap::from([("HTTP_PROXY".to_owned(), "http://secret:1".to_owned())]);
    let request = LowerRequest { build_args, ..LowerRequest::default() };
    let graph = ok("FROM busybox\nRUN 1\n", &request);
    assert_eq!(runs(&graph)[0].proxy_env, ["HTTP_PROXY=http://secret:1", "http_proxy=http://secret:1"]);
    assert!(!runs(&graph)[0].env.iter().any(|var| var.contains("secret")));
    assert!(!serde_json::to_string(&graph.config).unwrap().contains("secret"));
    assert!(graph.warnings.is_empty());
}

#[test]
fn the_requests_network_is_the_default() {
    let allow = BTreeSet::from(["network.host".to_owned()]);
    let request = LowerRequest { network: Network::None, allow, ..LowerRequest::default() };
    let graph = ok("FROM busybox\nRUN 1\nRUN --network=default 1\nRUN --network=host 1\n", &request);
    let networks: Vec<Network> = runs(&graph).iter().map(|r| r.network).collect();
    assert_eq!(networks, [Network::None, Network::None, Network::Host]);
}

#[test]
fn the_base_images_time_stays_for_the_engine() {
    let graph = ok("FROM busybox\nLABEL a=b\n", &LowerRequest::default());
    assert_eq!(graph.config.created.as_deref(), Some("2006-01-02T22:04:05Z"));
    assert_eq!((graph.base_history, graph.config.history.len()), (1, 2));
    assert!(graph.config.rootfs.diff_ids.is_empty());
}

#[test]
fn spans_of_sources_point_at_their_words() {
    let src = "FROM busybox\nCOPY one two /d/\n";
    let graph = ok(src, &LowerRequest::default());
    let Some(Op::Copy(copy)) = graph.steps.last().map(|s| &s.op) else { panic!("the last step copies") };
    for source in &copy.sources {
        let CopySource::Path(path, span) = source else { panic!("paths only") };
        assert_eq!(&src[span.clone()], path);
    }
}

#[test]
fn every_error_of_a_stage_is_found() {
    let found =
        errors("FROM busybox\nEXPOSE x\nSTOPSIGNAL y\nCOPY --chmod=z a b\n", &LowerRequest::default());
    assert_eq!(found, ["bad-port", "bad-signal", "bad-mode"]);
}

#[test]
fn a_long_chain_of_stages_needs_no_deep_stack() {
    let mut src = "FROM busybox AS s0\n".to_owned();
    for i in 1..3000 {
        src.push_str(&format!("FROM s{} AS s{i}\nCOPY --from=s{} /a /a\n", i - 1, i - 1));
    }
    let graph = ok(&src, &LowerRequest::default());
    assert_eq!(graph.steps.len(), 3000);
}

#[test]
fn durations_are_written_as_go_does() {
    let cases = [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (100_000_000, "100ms"),
        (3_500_000_000, "3.5s"),
        (300_000_000_000, "5m0s"),
        (3_723_000_000_000, "1h2m3s"),
        (-1_000_000_000, "-1s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ];
    for (nanos, text) in cases {
        assert_eq!(gofmt::duration(nanos), text);
    }
}

#[test]
fn strings_are_quoted_as_go_does() {
    assert_eq!(gofmt::quote("a\tb\"c\\d\u{1}é\u{85}\u{200b}"), "\"a\\tb\\\"c\\\\d\\x01é\\u0085\\u200b\"");
    assert_eq!(gofmt::quoted_list(&[]), "[]");
}

#[test]
fn instructions_are_joined_to_one_line() {
    let cases = [
        ("RUN a \\\n  b", "RUN a   b"),
        ("RUN a \\  \n# c\n\n  b\r\n", "RUN a   b"),
        ("RUN <<EOF\nx\nEOF", "RUN <<EOF"),
        ("RUN a \\\\\nb", "RUN a \\\\"),
    ];
    for (text, line) in cases {
        assert_eq!(names::one_line(text, '\\'), line);
    }
}

#[test]
fn destinations_keep_what_makes_them_directories() {
    let cases = [
        ("/w", "a", "/w/a"),
        ("/w", "a/", "/w/a/"),
        ("/w", ".", "/w/"),
        ("/w", "", "/w/"),
        ("/w", "a/.", "/w/a/."),
        ("/w", "../..", "/"),
        ("", "a", "/a"),
        ("/w", "/x/../y/", "/x/../y/"),
    ];
    for (dir, path, expected) in cases {
        assert_eq!(names::destination(dir, path), expected, "{path} in {dir}");
    }
}

/// Lines of all cases, to be put together in other ways.
fn vocabulary() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/lower");
    let mut lines: Vec<String> = fs::read_dir(root)
        .unwrap()
        .flat_map(|dir| {
            let text = fs::read_to_string(dir.unwrap().path().join("Dockerfile")).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]
    #[test]
    fn any_order_of_lines_gives_a_graph_or_errors_with_places(
        picks in proptest::collection::vec(proptest::prelude::any::<proptest::sample::Index>(), 1..40),
    ) {
        let lines = vocabulary();
        let mut src = "FROM busybox\n".to_owned();
        picks.iter().for_each(|pick| {
            src.push_str(&lines[pick.index(lines.len())]);
            src.push('\n');
        });
        // Rendering slices by every span, and checks that history and steps belong together.
        proptest::prop_assert!(!render(&src, &LowerRequest::default()).is_empty());
    }
}

#[test]
fn the_reference_takes_empty_names_and_sorts_ports() {
    let graph = ok("FROM scratch\nENV $no=1\nEXPOSE 80 443/tcp 100-101/udp\n", &LowerRequest::default());
    assert!(graph.config.config.env.contains(&"=1".to_owned()));
    let history: Vec<&str> = graph.config.history.iter().map(|entry| entry.created_by.as_str()).collect();
    assert_eq!(history, ["ENV =1", "EXPOSE [100/udp 101/udp 443/tcp 80/tcp]"]);
    assert_eq!(errors("FROM busybox\nRUN []\n", &LowerRequest::default()), ["empty-command"]);
}

#[test]
fn a_context_named_like_the_main_one_is_another() {
    let src = "FROM busybox\nCOPY --from=context a b\nCOPY a b\n";
    let contexts = [("context".to_owned(), ContextKind::Dir)].into();
    let graph = run(src, &LowerRequest { contexts, ..LowerRequest::default() }).unwrap();
    let from = |step: &crate::graph::Step| match &step.op {
        crate::graph::Op::Copy(copy) => Some(copy.from.clone()),
        _ => None,
    };
    let context = |name: &str| crate::graph::CopyFrom::Context(name.to_owned());
    let read: Vec<_> = graph.steps.iter().filter_map(from).collect();
    assert_eq!(read, [context(NAMED_CONTEXT), context(MAIN_CONTEXT)]);
    assert_eq!(errors(src, &LowerRequest::default()), ["unknown-stage"]);
}

#[test]
fn a_base_name_that_is_no_reference_is_no_context() {
    let contexts = [("oci-".to_owned(), ContextKind::Dir), ("localhost:/x".to_owned(), ContextKind::Dir)];
    let request = LowerRequest { contexts: contexts.into(), ..LowerRequest::default() };
    assert_eq!(errors("FROM oci-\n", &request), ["bad-image-name"]);
    assert_eq!(errors("FROM localhost:/x\n", &request), ["bad-image-name"]);
}

#[test]
fn scratch_is_for_the_platform_of_the_build() {
    let graph = run("FROM --platform=freebsd/arm64/v8 scratch\nENV a=1\n", &LowerRequest::default()).unwrap();
    let host = Platform::host();
    assert_eq!((graph.config.os, graph.config.architecture), (host.os, host.architecture));
}
