use proptest::prelude::*;

use super::*;

const NAME: &str = "otp_login";

fn templates(flag: Option<bool>) -> Templates {
    Templates::new(NAME, &["rw_RW", "en_US", "fr"].map(str::to_owned), flag, 50)
}

fn observation(status: TemplateStatus, at_s: u64, source: Source) -> Observation {
    Observation { status, at_s, source, reason: None }
}

fn listed(language: &str, status: TemplateStatus) -> ListedTranslation {
    ListedTranslation {
        name: NAME.to_owned(),
        language: language.to_owned(),
        status,
        reason: None,
        category: Some(CATEGORY.to_owned()),
        ttl_s: Some(300),
        quality: None,
    }
}

fn candidates(templates: &Templates, locale: &str) -> String {
    templates.candidates(Locale::parse(locale).ok().as_ref()).join(" ")
}

fn observe(templates: &mut Templates, language: &str, status: TemplateStatus, at_s: u64) -> Option<Change> {
    templates.observe(NAME, language, observation(status, at_s, Source::Webhook))
}

#[test]
fn until_meta_has_spoken_everything_may_be_tried() {
    let templates = templates(None);
    assert_eq!(candidates(&templates, ""), "rw_RW en_US fr");
    let report = templates.report(None, vec![]);
    assert_eq!((report.approved, report.status, report.source, report.since), (None, TemplateStatus::Unknown, None, None));
}

#[test]
fn the_fans_language_comes_first() {
    let templates = templates(None);
    for (locale, expected) in [
        ("rw", "rw_RW en_US fr"),
        ("en-GB", "en_US rw_RW fr"),
        ("en-US", "en_US rw_RW fr"),
        ("fr-CA", "fr rw_RW en_US"),
        ("de", "rw_RW en_US fr"),
    ] {
        assert_eq!(candidates(&templates, locale), expected, "{locale}");
    }
}

#[test]
fn an_exact_region_beats_another_of_the_same_language() {
    let templates = Templates::new(NAME, &["en_US", "en_GB"].map(str::to_owned), None, 0);
    assert_eq!(candidates(&templates, "en-GB"), "en_GB en_US");
}

#[test]
fn a_paused_language_is_left_out_until_it_comes_back() {
    let mut templates = templates(None);
    assert_eq!(
        observe(&mut templates, "rw_RW", TemplateStatus::Paused, 100),
        Some(Change { from: TemplateStatus::Unknown, to: TemplateStatus::Paused })
    );
    assert_eq!(candidates(&templates, "rw"), "en_US fr");
    assert_eq!(
        observe(&mut templates, "rw_RW", TemplateStatus::Approved, 200),
        Some(Change { from: TemplateStatus::Paused, to: TemplateStatus::Approved })
    );
    assert_eq!(candidates(&templates, "rw"), "rw_RW en_US fr");
}

#[test]
fn with_no_language_left_nothing_is_sent() {
    let mut templates = templates(None);
    for (language, status) in [("rw_RW", TemplateStatus::Paused), ("en_US", TemplateStatus::Rejected), ("fr", TemplateStatus::Disabled)] {
        assert!(!templates.blocked());
        observe(&mut templates, language, status, 100);
    }
    assert!(templates.blocked());
    let report = templates.report(None, vec![]);
    assert_eq!(
        (report.approved, report.status, report.source, report.since),
        (Some(false), TemplateStatus::Paused, Some(Source::Webhook), Some(100))
    );
}

#[test]
fn one_approved_language_is_enough() {
    let mut templates = templates(None);
    observe(&mut templates, "rw_RW", TemplateStatus::Paused, 100);
    observe(&mut templates, "fr", TemplateStatus::Approved, 101);
    let report = templates.report(None, vec![]);
    assert_eq!((report.approved, report.status, report.since), (Some(true), TemplateStatus::Approved, Some(101)));
}

#[test]
fn the_operators_no_stops_everything() {
    let mut templates = templates(Some(false));
    observe(&mut templates, "rw_RW", TemplateStatus::Approved, 100);
    assert!(templates.blocked());
    assert_eq!(candidates(&templates, "rw"), "");
    let report = templates.report(None, vec![]);
    assert_eq!(
        (report.approved, report.status, report.source, report.since),
        (Some(false), TemplateStatus::Withheld, Some(Source::Env), Some(50))
    );
    assert_eq!(report.reason.as_deref(), Some("OTP_WHATSAPP_TEMPLATE_APPROVED=0"));
}

#[test]
fn the_operators_yes_tries_what_meta_refuses_last() {
    let mut templates = templates(Some(true));
    observe(&mut templates, "rw_RW", TemplateStatus::Rejected, 100);
    assert_eq!(candidates(&templates, "rw"), "en_US fr rw_RW");
    observe(&mut templates, "en_US", TemplateStatus::Rejected, 100);
    assert!(templates.warnings(300).is_empty());
    observe(&mut templates, "fr", TemplateStatus::Rejected, 100);
    assert!(!templates.blocked());
    assert_eq!(templates.report(None, vec![]).approved, Some(true));
    assert_eq!(templates.warnings(300).len(), 1, "and says so");
}

#[test]
fn another_template_or_language_is_not_ours() {
    let mut templates = templates(None);
    assert_eq!(templates.observe("old_otp_login", "rw_RW", observation(TemplateStatus::Paused, 1, Source::Webhook)), None);
    assert_eq!(observe(&mut templates, "de", TemplateStatus::Paused, 1), None);
    assert_eq!(candidates(&templates, ""), "rw_RW en_US fr");
}

#[test]
fn a_webhook_that_comes_late_does_not_undo_a_newer_lookup() {
    let mut templates = templates(None);
    templates.apply_lookup(&[listed("rw_RW", TemplateStatus::Approved)], 100);
    templates.apply_lookup(&[listed("rw_RW", TemplateStatus::Approved)], 200);
    assert_eq!(observe(&mut templates, "rw_RW", TemplateStatus::Paused, 150), None);
    assert_eq!(templates.report(None, vec![]).languages[0].since, Some(100), "the second lookup was no news");
    assert!(
        observe(&mut templates, "rw_RW", TemplateStatus::Paused, 200).is_some(),
        "a lookup may have begun before the event of its second"
    );
}

#[test]
fn a_lookup_names_exactly_our_template() {
    let mut templates = templates(None);
    let other = ListedTranslation { name: "old_otp_login".to_owned(), ..listed("rw_RW", TemplateStatus::Rejected) };
    let changes =
        templates.apply_lookup(&[other, listed("rw_RW", TemplateStatus::Approved), listed("en_GB", TemplateStatus::Approved)], 100);
    let statuses: Vec<_> = changes.into_iter().map(|(language, change)| (language, change.to)).collect();
    assert_eq!(
        statuses,
        [("rw_RW", TemplateStatus::Approved), ("en_US", TemplateStatus::Missing), ("fr", TemplateStatus::Missing)]
            .map(|(l, s)| (l.to_owned(), s))
    );
}

#[test]
fn what_was_usable_is_missing_only_when_left_out_twice() {
    let mut templates = templates(None);
    let all = ["rw_RW", "en_US", "fr"].map(|language| listed(language, TemplateStatus::Approved));
    templates.apply_lookup(&all, 100);
    assert_eq!(templates.apply_lookup(&[], 200), []);
    assert!(!templates.blocked());
    templates.apply_lookup(&all, 300);
    assert_eq!(templates.apply_lookup(&[], 400), []);
    assert_eq!(templates.apply_lookup(&[], 500).len(), 3);
    assert!(templates.blocked());
}

#[test]
fn an_operator_is_warned_of_a_long_ttl_and_another_category() {
    let mut templates = templates(None);
    let fine = listed("rw_RW", TemplateStatus::Approved);
    let late = ListedTranslation { ttl_s: None, ..listed("en_US", TemplateStatus::Approved) };
    let wrong = ListedTranslation { ttl_s: Some(-1), category: Some("MARKETING".to_owned()), ..listed("fr", TemplateStatus::Approved) };
    templates.apply_lookup(&[fine, late, wrong], 100);
    assert_eq!(
        templates.warnings(300),
        [
            "en_US: WhatsApp delivers for up to 600 s, but a code lives 300 s",
            "fr: the template's category is MARKETING, not AUTHENTICATION",
            "fr: WhatsApp delivers for up to 2592000 s, but a code lives 300 s",
        ]
    );
    assert_eq!(templates.ttl_s(), MAX_TTL_S);
}

#[test]
fn events_change_quality_and_category() {
    let mut templates = templates(None);
    templates.apply_lookup(&[listed("rw_RW", TemplateStatus::Approved)], 100);
    templates.set_quality(NAME, "rw_RW", "RED");
    templates.set_category(NAME, "rw_RW", "UTILITY");
    let report = templates.report(None, vec![]);
    let kinyarwanda = &report.languages[0];
    assert_eq!((kinyarwanda.quality.as_deref(), kinyarwanda.category.as_deref(), kinyarwanda.ttl_s), (Some("RED"), Some("UTILITY"), None));
    assert_eq!(templates.ttl_s(), DEFAULT_TTL_S);
}

#[test]
fn the_status_is_pinned() {
    let mut templates = Templates::new(NAME, &["rw_RW".to_owned()], None, 50);
    templates.apply_lookup(&[listed("rw_RW", TemplateStatus::LimitExceeded)], 100);
    let report = templates.report(Some("https://example.org/limits".to_owned()), vec!["look".to_owned()]);
    assert_eq!(
        serde_json::to_string(&report).unwrap(),
        concat!(
            r#"{"approved":false,"status":"limit_exceeded","name":"otp_login","#,
            r#""languages":[{"code":"rw_RW","approved":false,"status":"limit_exceeded","source":"graph","since":100,"reason":null,"#,
            r#""category":"AUTHENTICATION","ttlS":300,"quality":null}],"#,
            r#""rateLimitDoc":"https://example.org/limits","source":"graph","since":100,"reason":null,"warnings":["look"]}"#
        ),
        "the runbook and dashboards read this"
    );
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let status = prop::sample::select(vec![
        TemplateStatus::Approved,
        TemplateStatus::Paused,
        TemplateStatus::Rejected,
        TemplateStatus::Disabled,
        TemplateStatus::Unknown,
    ]);
    let source = prop::sample::select(vec![Source::Graph, Source::Webhook]);
    (status, 0_u64..6, source).prop_map(|(status, at_s, source)| observation(status, at_s, source))
}

proptest! {
    #[test]
    fn the_order_and_repetition_of_observations_make_no_difference(
        (first, second) in prop::collection::vec(any_observation(), 1..8).prop_flat_map(|all| (Just(all.clone()), Just([all.clone(), all].concat()).prop_shuffle()))
    ) {
        let status = |order: Vec<Observation>| {
            let mut templates = templates(None);
            for observation in order {
                templates.observe(NAME, "rw_RW", observation);
            }
            templates.report(None, vec![]).languages[0].status
        };
        prop_assert_eq!(status(first), status(second));
    }
}
