//! How the fan's page reads what people type as their number: `page/phone.js`, run by Node on a table. Not whether a number exists.

use std::{
    io::Write,
    process::{Command, Stdio},
};

const SOURCES: [&str; 2] = [include_str!("../page/countries.js"), include_str!("../page/phone.js")];

/// Each `[typed, chosen country]`, to `+digits country`.
fn read(typed: &[(&str, &str)]) -> Vec<String> {
    let cases = serde_json::to_string(typed).expect("texts serialise");
    let ask = format!(
        "for (const [text, chosen] of {cases}) {{ const read = PHONE.read(text, chosen); console.log((read.e164 || '-') + ' ' + read.country); }}"
    );
    let mut node = Command::new("node").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Node is installed");
    let program = format!("{}\n{}\n{ask}", SOURCES[0], SOURCES[1]);
    node.stdin.take().expect("it was asked for").write_all(program.as_bytes()).expect("Node reads its program");
    let output = node.wait_with_output().expect("Node ends");
    assert!(output.status.success(), "phone.js does not run");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn check(cases: &[(&str, &str, &str)]) {
    let typed: Vec<_> = cases.iter().map(|(text, chosen, _)| (*text, *chosen)).collect();
    for ((text, chosen, expected), read) in cases.iter().zip(read(&typed)) {
        assert_eq!(read, *expected, "{text:?} in {chosen}");
    }
}

#[test]
fn a_number_is_read_as_it_is_written_at_home() {
    check(&[
        ("0788123456", "RW", "+250788123456 RW"),
        ("0788 123 456", "RW", "+250788123456 RW"),
        ("788-123-456", "RW", "+250788123456 RW"),
        ("250788123456", "RW", "+250788123456 RW"),
        ("\u{202a}0788\u{a0}123\u{2011}456\u{202c}", "RW", "+250788123456 RW"),
        ("0712 345678", "KE", "+254712345678 KE"),
        ("06 12 34 56 78", "FR", "+33612345678 FR"),
        ("8 916 123 45 67", "RU", "+79161234567 RU"),
        ("(650) 253-0000", "US", "+16502530000 US"),
        ("1 650 253 0000", "US", "+16502530000 US"),
        ("06 20 123 4567", "HU", "+36201234567 HU"),
    ]);
}

#[test]
fn an_international_number_brings_its_country_along() {
    check(&[
        ("+250 788 123 456", "KE", "+250788123456 RW"),
        ("00250788123456", "KE", "+250788123456 RW"),
        ("+254712345678", "RW", "+254712345678 KE"),
        ("+447400123456", "RW", "+447400123456 GB"),
        ("+16502530000", "RW", "+16502530000 US"),
        ("+16132530000", "CA", "+16132530000 CA"),
        ("+77011234567", "RW", "+77011234567 RU"),
    ]);
}

#[test]
fn a_zero_that_is_only_dialled_at_home_is_dropped_and_one_that_belongs_there_is_kept() {
    check(&[
        ("+250 (0) 788 123 456", "RW", "+250788123456 RW"),
        ("+44 (0)7400 123456", "RW", "+447400123456 GB"),
        ("06 1234 5678", "IT", "+390612345678 IT"),
        ("07 01 23 45 67", "CI", "+2250701234567 CI"),
        ("+242 06 123 4567", "RW", "+242061234567 CG"),
    ]);
}

#[test]
fn what_cannot_be_a_number_is_none() {
    check(&[
        ("", "RW", "- RW"),
        ("0788", "RW", "- RW"),
        ("lol", "RW", "- RW"),
        ("0788 12x 456", "RW", "- RW"),
        ("+", "RW", "- RW"),
        ("+999123456789", "RW", "- RW"),
        ("+250788123456+250788123456", "RW", "- RW"),
        ("07881234567890123456", "RW", "- RW"),
    ]);
}
