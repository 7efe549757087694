use super::*;

fn read(text: &str) -> ImageConfig {
    serde_json::from_str(text).unwrap()
}

#[test]
fn configs_survive_a_round_trip() {
    let text = r#"{
        "created": "2026-01-02T03:04:05Z", "author": "someone <a@b.c>", "architecture": "arm", "variant": "v7", "os": "linux",
        "config": {
            "User": "1000:1000", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Env": ["PATH=/bin", "A=b=c", "EMPTY="],
            "Entrypoint": ["/init"], "Cmd": ["a", ""], "Volumes": {"/data": {}}, "WorkingDir": "/w",
            "Labels": {"k": "v", "": ""}, "StopSignal": "SIGINT", "ArgsEscaped": true,
            "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5000000000, "Timeout": 1, "StartPeriod": 2,
                "StartInterval": 3, "Retries": 4},
            "OnBuild": ["RUN x"], "Shell": ["/bin/bash", "-c"]
        },
        "rootfs": {"type": "layers", "diff_ids": [
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},
        "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "RUN x # buildkit", "author": "a", "comment": "c"},
            {"created_by": "ENV A=b", "empty_layer": true}]
    }"#;
    let config = read(text);
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(text).unwrap());
    assert_eq!(serde_json::from_value::<ImageConfig>(written).unwrap(), config);
    assert_eq!(serde_json::to_vec(&config).unwrap(), serde_json::to_vec(&config.clone()).unwrap());
}

#[test]
fn nulls_that_go_writes_are_empty() {
    let config = read(
        r#"{"created": null, "architecture": "amd64", "os": "linux", "config": {"User": "", "ExposedPorts": null,
            "Env": null, "Entrypoint": null, "Cmd": null, "Volumes": null, "Labels": null, "OnBuild": null,
            "Shell": null, "Healthcheck": {"Test": null}}, "rootfs": {"type": "layers", "diff_ids": null},
            "history": null}"#,
    );
    assert_eq!(
        config.config,
        RunConfig { healthcheck: Some(Healthcheck::default()), ..RunConfig::default() }
    );
    assert_eq!(config.rootfs, RootFs::default());
    let config = read(r#"{"os": "linux", "config": null, "rootfs": null}"#);
    assert_eq!((config.config, config.rootfs), (RunConfig::default(), RootFs::default()));
    let config = read(r#"{"config": {"ExposedPorts": {"80/tcp": null, "81/tcp": {"x": 1}}}}"#);
    assert_eq!(config.config.exposed_ports.len(), 2);
}

#[test]
fn unknown_fields_are_passed_over() {
    let config = read(
        r#"{"container": "x", "docker_version": "20", "os.version": "1", "config": {"Hostname": "h", "Tty": false,
            "Image": "sha256:0", "NetworkDisabled": true}, "container_config": {"Cmd": null}}"#,
    );
    assert_eq!(config.config, RunConfig::default());
}

#[test]
fn an_empty_list_and_none_stay_apart() {
    let config = read(r#"{"config": {"Entrypoint": [], "Cmd": []}}"#);
    assert_eq!(
        (config.config.entrypoint.as_deref(), config.config.cmd.as_deref()),
        (Some(&[][..]), Some(&[][..]))
    );
    let text = serde_json::to_string(&config.config).unwrap();
    assert_eq!(text, r#"{"Entrypoint":[],"Cmd":[]}"#);
}

#[test]
fn scratch_is_what_buildkit_starts_from() {
    let config = ImageConfig::scratch(&"linux/arm/v6".parse().unwrap());
    let expected = serde_json::json!({"architecture": "arm", "variant": "v6", "os": "linux",
        "config": {"Env": [format!("PATH={DEFAULT_PATH}")], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": []}});
    assert_eq!(serde_json::to_value(&config).unwrap(), expected);
    assert_eq!(config.platform().to_string(), "linux/arm/v6");
}

#[test]
fn an_empty_variant_is_none() {
    assert_eq!(
        read(r#"{"os": "linux", "architecture": "arm64", "variant": ""}"#).platform().to_string(),
        "linux/arm64"
    );
}
