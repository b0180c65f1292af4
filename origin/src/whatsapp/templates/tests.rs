use proptest::prelude::*;

use super::*;

const NAME: &str = "otp_login";

fn templates(flag: Option<bool>) -> Templates {
    Templates::new(NAME, &["rw_RW", "en_US", "fr"].map(str::to_owned), flag, 50)
}

fn heard(standing: Standing, at_s: u64, source: Source) -> Heard {
    Heard { standing, at_s, source, reason: None }
}

fn listed(language: &str, standing: Standing) -> Listed {
    Listed {
        name: NAME.to_owned(),
        language: language.to_owned(),
        standing,
        reason: None,
        category: Some(CATEGORY.to_owned()),
        ttl_s: Some(300),
        quality: None,
    }
}

fn candidates(templates: &Templates, locale: &str) -> String {
    templates.candidates(Locale::parse(locale).ok().as_ref()).join(" ")
}

fn tell(templates: &mut Templates, language: &str, standing: Standing, at_s: u64) -> Option<Change> {
    templates.hear(NAME, language, heard(standing, at_s, Source::Webhook))
}

#[test]
fn until_meta_has_spoken_everything_may_be_tried() {
    let templates = templates(None);
    assert_eq!(candidates(&templates, ""), "rw_RW en_US fr");
    let status = templates.status(None, vec![]);
    assert_eq!((status.approved, status.status, status.source, status.since), (None, Standing::Unknown, None, None));
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
    assert_eq!(tell(&mut templates, "rw_RW", Standing::Paused, 100), Some(Change { from: Standing::Unknown, to: Standing::Paused }));
    assert_eq!(candidates(&templates, "rw"), "en_US fr");
    assert_eq!(tell(&mut templates, "rw_RW", Standing::Approved, 200), Some(Change { from: Standing::Paused, to: Standing::Approved }));
    assert_eq!(candidates(&templates, "rw"), "rw_RW en_US fr");
}

#[test]
fn with_no_language_left_nothing_is_sent() {
    let mut templates = templates(None);
    for (language, standing) in [("rw_RW", Standing::Paused), ("en_US", Standing::Rejected), ("fr", Standing::Disabled)] {
        assert!(!templates.barred());
        tell(&mut templates, language, standing, 100);
    }
    assert!(templates.barred());
    let status = templates.status(None, vec![]);
    assert_eq!(
        (status.approved, status.status, status.source, status.since),
        (Some(false), Standing::Paused, Some(Source::Webhook), Some(100))
    );
}

#[test]
fn one_approved_language_is_enough() {
    let mut templates = templates(None);
    tell(&mut templates, "rw_RW", Standing::Paused, 100);
    tell(&mut templates, "fr", Standing::Approved, 101);
    let status = templates.status(None, vec![]);
    assert_eq!((status.approved, status.status, status.since), (Some(true), Standing::Approved, Some(101)));
}

#[test]
fn the_operators_no_stops_everything() {
    let mut templates = templates(Some(false));
    tell(&mut templates, "rw_RW", Standing::Approved, 100);
    assert!(templates.barred());
    assert_eq!(candidates(&templates, "rw"), "");
    let status = templates.status(None, vec![]);
    assert_eq!(
        (status.approved, status.status, status.source, status.since),
        (Some(false), Standing::Withheld, Some(Source::Env), Some(50))
    );
    assert_eq!(status.reason.as_deref(), Some("OTP_WHATSAPP_TEMPLATE_APPROVED=0"));
}

#[test]
fn the_operators_yes_tries_what_meta_refuses_last() {
    let mut templates = templates(Some(true));
    tell(&mut templates, "rw_RW", Standing::Rejected, 100);
    assert_eq!(candidates(&templates, "rw"), "en_US fr rw_RW");
    tell(&mut templates, "en_US", Standing::Rejected, 100);
    assert!(templates.warnings(300).is_empty());
    tell(&mut templates, "fr", Standing::Rejected, 100);
    assert!(!templates.barred());
    assert_eq!(templates.status(None, vec![]).approved, Some(true));
    assert_eq!(templates.warnings(300).len(), 1, "and says so");
}

#[test]
fn another_template_or_language_is_not_ours() {
    let mut templates = templates(None);
    assert_eq!(templates.hear("old_otp_login", "rw_RW", heard(Standing::Paused, 1, Source::Webhook)), None);
    assert_eq!(tell(&mut templates, "de", Standing::Paused, 1), None);
    assert_eq!(candidates(&templates, ""), "rw_RW en_US fr");
}

#[test]
fn a_webhook_that_comes_late_does_not_undo_a_newer_lookup() {
    let mut templates = templates(None);
    templates.looked_up(&[listed("rw_RW", Standing::Approved)], 100);
    templates.looked_up(&[listed("rw_RW", Standing::Approved)], 200);
    assert_eq!(tell(&mut templates, "rw_RW", Standing::Paused, 150), None);
    assert_eq!(templates.status(None, vec![]).languages[0].since, Some(100), "the second lookup was no news");
    assert!(tell(&mut templates, "rw_RW", Standing::Paused, 200).is_some(), "a lookup may have begun before the event of its second");
}

#[test]
fn a_lookup_names_exactly_our_template() {
    let mut templates = templates(None);
    let other = Listed { name: "old_otp_login".to_owned(), ..listed("rw_RW", Standing::Rejected) };
    let changes = templates.looked_up(&[other, listed("rw_RW", Standing::Approved), listed("en_GB", Standing::Approved)], 100);
    let standings: Vec<_> = changes.into_iter().map(|(language, change)| (language, change.to)).collect();
    assert_eq!(
        standings,
        [("rw_RW", Standing::Approved), ("en_US", Standing::Missing), ("fr", Standing::Missing)].map(|(l, s)| (l.to_owned(), s))
    );
}

#[test]
fn what_was_usable_is_missing_only_when_left_out_twice() {
    let mut templates = templates(None);
    let all = ["rw_RW", "en_US", "fr"].map(|language| listed(language, Standing::Approved));
    templates.looked_up(&all, 100);
    assert_eq!(templates.looked_up(&[], 200), []);
    assert!(!templates.barred());
    templates.looked_up(&all, 300);
    assert_eq!(templates.looked_up(&[], 400), []);
    assert_eq!(templates.looked_up(&[], 500).len(), 3);
    assert!(templates.barred());
}

#[test]
fn an_operator_is_warned_of_a_long_ttl_and_another_category() {
    let mut templates = templates(None);
    let fine = listed("rw_RW", Standing::Approved);
    let late = Listed { ttl_s: None, ..listed("en_US", Standing::Approved) };
    let wrong = Listed { ttl_s: Some(-1), category: Some("MARKETING".to_owned()), ..listed("fr", Standing::Approved) };
    templates.looked_up(&[fine, late, wrong], 100);
    assert_eq!(
        templates.warnings(300),
        [
            "en_US: WhatsApp delivers for up to 600 s, but a code lives 300 s",
            "fr: the template's category is MARKETING, not AUTHENTICATION",
            "fr: WhatsApp delivers for up to 2592000 s, but a code lives 300 s",
        ]
    );
    assert_eq!(templates.ttl_s(), LONGEST_TTL_S);
}

#[test]
fn events_change_quality_and_category() {
    let mut templates = templates(None);
    templates.looked_up(&[listed("rw_RW", Standing::Approved)], 100);
    templates.rated(NAME, "rw_RW", "RED");
    templates.categorised(NAME, "rw_RW", "UTILITY");
    let status = templates.status(None, vec![]);
    let kinyarwanda = &status.languages[0];
    assert_eq!((kinyarwanda.quality.as_deref(), kinyarwanda.category.as_deref(), kinyarwanda.ttl_s), (Some("RED"), Some("UTILITY"), None));
    assert_eq!(templates.ttl_s(), DEFAULT_TTL_S);
}

#[test]
fn the_status_is_pinned() {
    let mut templates = Templates::new(NAME, &["rw_RW".to_owned()], None, 50);
    templates.looked_up(&[listed("rw_RW", Standing::LimitExceeded)], 100);
    let status = templates.status(Some("https://example.org/limits".to_owned()), vec!["look".to_owned()]);
    assert_eq!(
        serde_json::to_string(&status).unwrap(),
        concat!(
            r#"{"approved":false,"status":"limit_exceeded","name":"otp_login","#,
            r#""languages":[{"code":"rw_RW","approved":false,"status":"limit_exceeded","source":"graph","since":100,"reason":null,"#,
            r#""category":"AUTHENTICATION","ttlS":300,"quality":null}],"#,
            r#""rateLimitDoc":"https://example.org/limits","source":"graph","since":100,"reason":null,"warnings":["look"]}"#
        ),
        "the runbook and dashboards read this"
    );
}

fn anything() -> impl Strategy<Value = Heard> {
    let standing =
        prop::sample::select(vec![Standing::Approved, Standing::Paused, Standing::Rejected, Standing::Disabled, Standing::Unknown]);
    let source = prop::sample::select(vec![Source::Graph, Source::Webhook]);
    (standing, 0_u64..6, source).prop_map(|(standing, at_s, source)| heard(standing, at_s, source))
}

proptest! {
    #[test]
    fn the_order_and_repetition_of_what_is_heard_make_no_difference(
        (first, second) in prop::collection::vec(anything(), 1..8).prop_flat_map(|all| (Just(all.clone()), Just([all.clone(), all].concat()).prop_shuffle()))
    ) {
        let standing = |order: Vec<Heard>| {
            let mut templates = templates(None);
            for heard in order {
                templates.hear(NAME, "rw_RW", heard);
            }
            templates.status(None, vec![]).languages[0].status
        };
        prop_assert_eq!(standing(first), standing(second));
    }
}
