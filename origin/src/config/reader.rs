//! Reads variables one by one and gathers what is wrong with them, so that an operator mends all of it in one go.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Everything that is wrong with the environment.
#[derive(Debug)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration cannot be used:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for ConfigError {}

/// The environment, being read.
pub struct Reader {
    variables: BTreeMap<String, String>,
    asked: BTreeSet<String>,
    wrong: Vec<String>,
}

/// Whether a bad value may be shown.
#[derive(Clone, Copy, PartialEq)]
enum Show {
    Value,
    Nothing,
}

impl Reader {
    /// Starts with the environment.
    pub fn new(variables: BTreeMap<String, String>) -> Self {
        Self { variables, asked: BTreeSet::new(), wrong: Vec::new() }
    }

    /// The names that were asked for.
    pub fn asked(self) -> Vec<String> {
        self.asked.into_iter().collect()
    }

    /// What was read, or all that is wrong.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, ConfigError> {
        match config {
            Some(config) if self.wrong.is_empty() => Ok(config),
            _ => Err(ConfigError(self.wrong)),
        }
    }

    /// A variable that may be unset; an empty one is unset.
    pub fn optional<T>(&mut self, name: &str, form: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.read(name, form, parse, Show::Value)
    }

    /// The same for a secret: a bad value is not shown.
    pub fn optional_hidden<T>(&mut self, name: &str, form: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.read(name, form, parse, Show::Nothing)
    }

    /// A variable that has to be set.
    pub fn required<T>(&mut self, name: &str, form: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.note_missing(name, form);
        self.read(name, form, parse, Show::Value)
    }

    /// The same for a secret.
    pub fn required_hidden<T>(&mut self, name: &str, form: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.note_missing(name, form);
        self.read(name, form, parse, Show::Nothing)
    }

    fn note_missing(&mut self, name: &str, form: &str) {
        if self.value(name).is_none() {
            self.wrong.push(format!("{name} is not set; it should be {form}"));
        }
    }

    fn read<T>(&mut self, name: &str, form: &str, parse: impl FnOnce(&str) -> Option<T>, show: Show) -> Option<T> {
        self.asked.insert(name.to_owned());
        let value = self.value(name)?.to_owned();
        let parsed = parse(&value);
        if parsed.is_none() {
            let shown = if show == Show::Value { format!(" ({value})") } else { String::new() };
            self.wrong.push(format!("{name}{shown} should be {form}"));
        }
        parsed
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}
