//! What is under `deploy/` fits: the manifests fit Kubernetes' own types, the environment they give fits the origin's configuration, and the
//! figures that have to agree do. Not whether a cluster likes them: no cluster is asked.

#![expect(clippy::unwrap_used, reason = "a manifest that cannot be read has failed its test")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, Container, EnvVar, Namespace, PodSpec, Service},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use otp_origin::{
    config::{Config, variables},
    http::{openapi, server::DRAIN},
    run::{BOOKKEEPING_PATIENCE, LEAVE_NOTICE},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Messages a second that Meta takes of one number.
const META_SENDS_PER_S: u32 = 80;
/// What the process reads besides its configuration: the log's filter.
const OF_THE_PROCESS: [&str; 1] = ["RUST_LOG"];

fn deploy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// Every document of every manifest.
fn manifests() -> Vec<Value> {
    let files = fs::read_dir(deploy().join("kubernetes")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| !path.ends_with("kustomization.yaml"));
    files.flat_map(|path| documents(&fs::read_to_string(path).unwrap())).collect()
}

fn documents(text: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(text).map(|document| serde::Deserialize::deserialize(document).unwrap()).collect()
}

fn the<T: DeserializeOwned>(kind: &str) -> T {
    let found: Vec<_> = manifests().into_iter().filter(|manifest| manifest["kind"] == kind).collect();
    let [one] = found.as_slice() else { panic!("{} manifests are a {kind}", found.len()) };
    serde_json::from_value(one.clone()).unwrap()
}

/// What a type does not know, it drops: then it does not come back.
fn fits<T: DeserializeOwned + Serialize>(manifest: &Value) {
    let typed: T = serde_json::from_value(manifest.clone()).unwrap_or_else(|error| panic!("{error} in {manifest}"));
    assert_eq!(serde_json::to_value(typed).unwrap(), *manifest, "a member that Kubernetes does not know");
}

fn pod() -> PodSpec {
    the::<Deployment>("Deployment").spec.unwrap().template.spec.unwrap()
}

fn container() -> Container {
    let [container] = pod().containers.try_into().unwrap_or_else(|_| panic!("one container"));
    container
}

fn config_map() -> BTreeMap<String, String> {
    the::<ConfigMap>("ConfigMap").data.unwrap()
}

fn max_replicas() -> u32 {
    let scaler: HorizontalPodAutoscaler = the("HorizontalPodAutoscaler");
    scaler.spec.unwrap().max_replicas.try_into().unwrap()
}

#[test]
fn every_manifest_fits_the_types_of_kubernetes() {
    for manifest in manifests() {
        match (manifest["apiVersion"].as_str().unwrap(), manifest["kind"].as_str().unwrap()) {
            ("v1", "Namespace") => fits::<Namespace>(&manifest),
            ("v1", "ConfigMap") => fits::<ConfigMap>(&manifest),
            ("v1", "Service") => fits::<Service>(&manifest),
            ("apps/v1", "Deployment") => fits::<Deployment>(&manifest),
            ("autoscaling/v2", "HorizontalPodAutoscaler") => fits::<HorizontalPodAutoscaler>(&manifest),
            ("policy/v1", "PodDisruptionBudget") => fits::<PodDisruptionBudget>(&manifest),
            ("networking.k8s.io/v1", "NetworkPolicy") => fits::<NetworkPolicy>(&manifest),
            other => panic!("{other:?} is checked by nothing"),
        }
    }
}

#[test]
fn every_manifest_is_applied_to_the_runbooks_namespace() {
    let kustomization = &documents(&fs::read_to_string(deploy().join("kubernetes/kustomization.yaml")).unwrap())[0];
    let mut listed: Vec<_> = kustomization["resources"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let mut there: Vec<_> =
        fs::read_dir(deploy().join("kubernetes")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    there.retain(|name| name != "kustomization.yaml");
    listed.sort();
    there.sort();
    assert_eq!(listed, there);
    for manifest in manifests().iter().filter(|manifest| manifest["kind"] != "Namespace") {
        assert_eq!((&manifest["metadata"]["namespace"], &manifest["metadata"]["name"]), (&"rayon".into(), &"backend".into()));
    }
}

/// The pod's environment, with what only the cluster knows made up.
fn environment() -> BTreeMap<String, String> {
    let made_up = |variable: &EnvVar| match variable.name.as_str() {
        "REDIS_URL" => "redis://redis:6379".to_owned(),
        "ADMIN_TOKENS" => format!("ana={}", "t".repeat(24)),
        _ => "s".repeat(32),
    };
    let of_env = container()
        .env
        .unwrap()
        .into_iter()
        .map(|variable| (variable.name.clone(), variable.value.clone().unwrap_or_else(|| made_up(&variable))));
    config_map().into_iter().chain(of_env).collect()
}

#[test]
fn the_origin_starts_with_the_environment_that_the_manifests_give_it() {
    let environment = environment();
    let known = variables();
    for name in environment.keys() {
        assert!(known.contains(name) || OF_THE_PROCESS.contains(&name.as_str()), "{name} is a variable of nothing");
    }
    let config = Config::from_variables(environment).unwrap_or_else(|error| panic!("{error}"));
    assert!(config.redis.is_some() && config.edge_url.is_some());
}

#[test]
fn secrets_come_by_reference_and_the_previous_ones_may_be_missing() {
    for variable in container().env.unwrap() {
        let is_secret = ["SECRET", "TOKEN", "KEY", "REDIS_URL"].iter().any(|part| variable.name.contains(part));
        assert!(!is_secret || variable.value.is_none(), "{} is written in the manifest", variable.name);
        let Some(reference) = variable.value_from.and_then(|from| from.secret_key_ref) else { continue };
        assert_eq!((reference.name.as_str(), &reference.key), ("backend", &variable.name));
        assert_eq!(reference.optional == Some(true), variable.name.ends_with("_PREVIOUS"), "{}", variable.name);
    }
}

#[test]
fn shares_are_those_of_as_many_replicas_as_may_run() {
    let config = config_map();
    assert_eq!(config["OTP_REPLICAS"].parse(), Ok(max_replicas()));
    let sends: u32 = config["WHATSAPP_SENDS_PER_S"].parse().unwrap();
    assert!(sends <= META_SENDS_PER_S, "together they send more than Meta takes");
}

#[test]
fn a_pod_is_given_the_time_that_a_graceful_end_may_take() {
    let notice = container().lifecycle.and_then(|lifecycle| lifecycle.pre_stop?.sleep).map_or(0, |sleep| sleep.seconds);
    let needed = LEAVE_NOTICE + DRAIN + BOOKKEEPING_PATIENCE;
    let given = pod().termination_grace_period_seconds.unwrap() - notice;
    assert!(u64::try_from(given).unwrap() > needed.as_secs(), "{given} s for {needed:?}");
}

#[test]
fn probes_ask_what_is_there() {
    let (container, document) = (container(), openapi::document());
    let port = container.ports.unwrap()[0].name.clone().unwrap();
    for probe in [container.startup_probe, container.liveness_probe, container.readiness_probe] {
        let asked = probe.unwrap().http_get.unwrap();
        let path = asked.path.unwrap();
        assert!(document["paths"][&path].is_object(), "{path}");
        assert_eq!(serde_json::to_value(asked.port).unwrap(), port.as_str());
    }
    let service: Service = the("Service");
    assert_eq!(serde_json::to_value(&service.spec.unwrap().ports.unwrap()[0].target_port).unwrap(), port.as_str());
}

#[test]
fn everything_selects_the_same_pods() {
    let deployment: Deployment = the("Deployment");
    let spec = deployment.spec.unwrap();
    let labels = spec.template.metadata.unwrap().labels.unwrap();
    let service: Service = the("Service");
    let policy: NetworkPolicy = the("NetworkPolicy");
    let budget: PodDisruptionBudget = the("PodDisruptionBudget");
    let selectors = [
        spec.selector.match_labels,
        service.spec.unwrap().selector,
        policy.spec.unwrap().pod_selector.unwrap().match_labels,
        budget.spec.unwrap().selector.unwrap().match_labels,
    ];
    for selector in selectors {
        let selector = selector.unwrap();
        assert!(selector.iter().all(|(name, value)| labels.get(name) == Some(value)), "{selector:?}");
    }
}

#[test]
fn the_container_can_do_little() {
    let container = container();
    let may = container.security_context.unwrap();
    assert_eq!((may.read_only_root_filesystem, may.allow_privilege_escalation), (Some(true), Some(false)));
    assert_eq!(may.capabilities.unwrap().drop, Some(vec!["ALL".to_owned()]));
    let pod = pod();
    assert_eq!((pod.automount_service_account_token, pod.security_context.unwrap().run_as_non_root), (Some(false), Some(true)));
    assert!(container.volume_mounts.is_none() && pod.volumes.is_none(), "it writes nothing");
}

#[test]
fn the_image_is_built_by_our_toolchain_and_runs_as_nobody() {
    let dockerfile = fs::read_to_string(deploy().join("Dockerfile")).unwrap();
    let toolchain = fs::read_to_string(deploy().join("../rust-toolchain.toml")).unwrap();
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"')).unwrap();
    assert!(dockerfile.contains(&format!("FROM rust:{channel}-alpine")) && dockerfile.contains(&format!("RUSTUP_TOOLCHAIN={channel}")));
    let last = dockerfile.rsplit("\nFROM ").next().unwrap();
    assert!(last.lines().any(|line| line == "USER 65532:65532"));
    let listen = last.lines().find_map(|line| line.strip_prefix("ENV ")?.split_once('=')).unwrap();
    assert!(variables().contains(&listen.0.to_owned()));
}
