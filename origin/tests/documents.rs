//! The documents name everything there is, and nothing that is not: variables, problem codes, routes, metrics, log targets. Not whether what they say of
//! it is true: commands and answers are run by the stories.

#![expect(clippy::unwrap_used, reason = "a document that cannot be read has failed its test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use otp_origin::{
    config,
    http::{metrics, openapi},
};
use otp_shared::{limits::Limit, problem::ProblemCode};
use serde::Deserialize;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The first cells of a document's tables, without their quotes: what the document lists.
fn listed(path: &str) -> BTreeSet<String> {
    let text = read(path);
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    cells.map(|(cell, _)| cell.to_owned()).collect()
}

/// Every Rust file below a folder.
fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    texts
}

/// What stands between `before` and `after` in the sources of a folder.
fn quoted(folder: &str, before: &str, after: &str) -> BTreeSet<String> {
    let of_one = |text: &String| -> Vec<String> {
        text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0.to_owned())).collect()
    };
    sources(folder).iter().flat_map(of_one).collect()
}

#[test]
fn every_variable_of_the_origin_is_documented_with_what_unset_means() {
    let text = read("docs/configuration.md");
    for name in config::variables() {
        let row =
            text.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(row.matches(" |").count(), 3, "{row}");
    }
}

#[test]
fn every_documented_limit_has_the_default_it_is_said_to_have() {
    let text = read("docs/configuration.md");
    for limit in Limit::ALL {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", limit.variable()))).unwrap();
        assert!(row.contains(&format!("`{}`", limit.name())), "{row}");
        assert!(row.ends_with(&format!("| `{}` |", limit.default_quota())), "{row}: it is {}", limit.default_quota());
    }
}

#[test]
fn every_variable_of_the_edge_is_documented_and_none_that_it_does_not_have() {
    let text = read("docs/configuration.md");
    let section = text.split("\n## ").find(|section| section.starts_with("The edge")).unwrap();
    let documented: BTreeSet<_> =
        section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0.to_owned())).collect();
    let fields = read("edge/src/config.rs");
    let of_config = fields.lines().filter_map(|line| line.trim().strip_prefix("/// `")?.split_once('`')).map(|(name, _)| name.to_owned());
    let of_config = of_config.filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
    let of_wrangler = read("wrangler.toml");
    let bindings = of_wrangler
        .lines()
        .filter_map(|line| line.strip_prefix("binding = \"").or_else(|| line.strip_prefix("name = \"B"))?.split_once('"'));
    let bindings = bindings.map(|(name, _)| if name.starts_with("URST") { format!("B{name}") } else { name.to_owned() });
    assert_eq!(documented, of_config.chain(bindings).collect());
}

#[test]
fn every_flag_of_xtask_is_documented() {
    let documented = read("docs/configuration.md");
    for (folder, mark) in [("xtask/src/up", "\"--"), ("tests/src/bin/smoke.rs", "\"--")] {
        let text = if Path::new(folder).extension().is_some() { read(folder) } else { read(&format!("{folder}/options.rs")) };
        let flags: BTreeSet<_> = text.split(mark).skip(1).filter_map(|rest| rest.split_once('"')).map(|(flag, _)| flag).collect();
        for flag in flags.iter().filter(|flag| {
            flag.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !["help", "edge-prot", "egde"].contains(flag)
        }) {
            assert!(documented.contains(&format!("| `--{flag}`")), "--{flag}");
        }
    }
}

#[test]
fn every_problem_code_is_documented_with_its_status() {
    let text = read("docs/api.md");
    for code in ProblemCode::ALL {
        assert!(text.contains(&format!("| `{}` | {} |", code.as_str(), code.status())), "{}", code.as_str());
    }
    let section = text.split("### Problem codes").nth(1).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, ProblemCode::ALL.len(), "a code that there is not");
}

#[test]
fn every_route_is_documented_and_none_that_is_not_there() {
    let document = openapi::document();
    let paths = document["paths"].as_object().unwrap();
    let there: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase())))
        .collect();
    let documented: BTreeSet<_> = listed("docs/api.md").into_iter().filter(|cell| cell.contains(" /")).collect();
    assert_eq!(documented, there);
}

#[test]
fn every_metric_is_documented_and_none_that_is_not_exported() {
    let exported: BTreeSet<_> = metrics::families().iter().map(|(name, _, _)| (*name).to_owned()).collect();
    assert_eq!(listed("docs/metrics.md"), exported);
}

#[test]
fn every_log_target_is_documented_and_none_that_nothing_writes() {
    let mut written = quoted("origin/src", "target: \"", "\"");
    written.extend(quoted("edge/src", "\"target\", \"", "\""));
    let documented: BTreeSet<_> = listed("docs/logging.md").into_iter().filter(|cell| cell.starts_with("otp::")).collect();
    assert_eq!(documented, written);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let documents =
        fs::read_dir(root().join("docs")).unwrap().map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    let documents = documents
        .filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "md"))
        .chain(["README.md".to_owned(), "CHANGELOG.md".to_owned()]);
    for path in documents {
        let text = read(&path);
        let links = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)).filter(|link| !link.contains("://"));
        for link in links {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { path.clone() } else { Path::new(&path).parent().unwrap().join(file).to_str().unwrap().to_owned() };
            assert!(root().join(&target).exists(), "{path} leads to {target}");
            assert!(anchor.is_empty() || anchors(&read(&target)).contains(anchor), "{path} leads to {link}");
        }
    }
}

/// A heading's anchor, as GitHub makes it.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    headings.map(|heading| heading.chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(default, rename = "for")]
    lasting: String,
    labels: Labels,
    annotations: Annotations,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    severity: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotations {
    summary: String,
    runbook: String,
}

/// The metrics of ours that an expression names. A histogram's are named with a suffix.
fn metrics_of(expression: &str) -> Vec<String> {
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter(|word| word.starts_with("otp_"));
    words.map(|word| ["_bucket", "_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word).to_owned()).collect()
}

fn assert_exported(what: &str, expression: &str) {
    let exported: Vec<_> = metrics::families().iter().map(|(name, _, _)| *name).collect();
    let named = metrics_of(expression);
    assert!(!named.is_empty(), "{what} looks at nothing of ours");
    for metric in named {
        assert!(exported.contains(&metric.as_str()), "{what}: {metric} is not exported");
    }
}

#[test]
fn alerts_look_at_metrics_that_there_are_and_lead_to_documents_that_there_are() {
    let rules: Rules = serde_yaml_ng::from_str(&read("deploy/alerts.yaml")).unwrap();
    let mut names = BTreeSet::new();
    for (group, rule) in rules.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule))) {
        assert!(names.insert(&rule.alert), "{} twice, in {}", rule.alert, group.name);
        assert_exported(&rule.alert, &rule.expr);
        assert!(matches!(rule.labels.severity.as_str(), "page" | "ticket"), "{}", rule.alert);
        assert!(rule.lasting.is_empty() || rule.lasting.ends_with(['s', 'm', 'h']), "{}", rule.alert);
        assert!(!rule.annotations.summary.is_empty());
        let (file, anchor) = rule.annotations.runbook.split_once('#').unwrap_or((&rule.annotations.runbook, ""));
        assert!(anchor.is_empty() || anchors(&read(file)).contains(anchor), "{}: {}", rule.alert, rule.annotations.runbook);
        assert!(root().join(file).exists(), "{}: {file}", rule.alert);
    }
}

#[test]
fn alerts_that_the_documents_name_exist() {
    let alerts = read("deploy/alerts.yaml");
    for document in ["docs/threat-model.md", "docs/operations.md"] {
        let text = read(document);
        for name in text.split('`').filter(|word| word.starts_with("Otp") && word.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            assert!(alerts.contains(&format!("alert: {name}\n")), "{document} names {name}");
        }
    }
}

#[test]
fn the_grafana_dashboard_looks_at_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(!panels.is_empty());
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            assert_exported(panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap());
        }
    }
}
