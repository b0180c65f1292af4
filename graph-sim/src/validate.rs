//! The body of a send, read as strictly as Meta reads it. Pure: bytes in, a [`Send`] or the error out.
//!
//! Where Meta's behaviour is not documented, the stricter reading is taken: what passes here must pass there.

use serde_json::{Map, Value};

use crate::error::GraphError;
use crate::recipient;
use crate::settings::Business;

/// Longest code an authentication template takes, in characters.
const CODE_MAX: usize = 15;
/// Longest `biz_opaque_callback_data`, in characters.
const CALLBACK_MAX: usize = 512;

type Object = Map<String, Value>;

/// A well-formed request to send an authentication template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// `to` as it was written; the answer repeats it.
    pub input: String,
    /// The digits it means.
    pub digits: String,
    /// The template's name.
    pub template: String,
    /// Its language.
    pub language: String,
    /// The code, which was there twice.
    pub code: String,
    /// `biz_opaque_callback_data`.
    pub callback_data: Option<String>,
}

/// Reads a send.
///
/// # Errors
/// The error of Meta's list that the first fault earns.
pub fn send(body: &[u8], business: &Business) -> Result<Send, GraphError> {
    // Graph treats a body it cannot read as one without parameters.
    let body: Object = serde_json::from_slice(body).unwrap_or_default();
    one_of(&body, "messaging_product", &["whatsapp"])?;
    if body.contains_key("recipient_type") {
        one_of(&body, "recipient_type", &["individual"])?;
    }
    let input = addressee(&body)?;
    let digits = recipient::digits(&input, business)?;
    let callback_data = callback_data(&body)?;
    let template = template(&body)?;
    only(template, "template", &["name", "language", "components", "namespace"])?;
    let name = text(template, "template", "name")?;
    let language = language(template)?;
    let code = code(template)?;
    Ok(Send { input, digits, template: name, language, code, callback_data })
}

fn addressee(body: &Object) -> Result<String, GraphError> {
    match body.get("to") {
        Some(Value::String(to)) => Ok(to.clone()),
        Some(_) => Err(GraphError::parameter("Param to must be a string.")),
        // A BSUID alone cannot receive an authentication template; with both, `to` wins.
        None if body.contains_key("recipient") => Err(GraphError::new(131_062)),
        None => Err(GraphError::parameter("The parameter to is required.")),
    }
}

fn callback_data(body: &Object) -> Result<Option<String>, GraphError> {
    match body.get("biz_opaque_callback_data") {
        None => Ok(None),
        Some(Value::String(data)) if data.chars().count() <= CALLBACK_MAX => Ok(Some(data.clone())),
        Some(Value::String(_)) => {
            Err(GraphError::parameter(format_args!("Param biz_opaque_callback_data must be at most {CALLBACK_MAX} characters long.")))
        }
        Some(_) => Err(GraphError::parameter("Param biz_opaque_callback_data must be a string.")),
    }
}

fn template(body: &Object) -> Result<&Object, GraphError> {
    // Meta reads a missing type as text.
    match body.get("type").map_or(Some("text"), Value::as_str) {
        Some("template") => {}
        Some(other) => {
            return Err(GraphError::new(131_051).details(format!("{other}: only template messages can be sent here")));
        }
        None => return Err(GraphError::parameter("Param type must be a string.")),
    }
    match body.get("template") {
        Some(Value::Object(template)) => Ok(template),
        Some(_) => Err(GraphError::parameter("Param template must be a JSON object.")),
        None => Err(required("Parameter 'template' is mandatory for type 'template'")),
    }
}

fn language(template: &Object) -> Result<String, GraphError> {
    let Some(language) = template.get("language") else {
        return Err(required("template: 'language' is missing"));
    };
    let Value::Object(language) = language else {
        return Err(GraphError::parameter("Param template['language'] must be a JSON object."));
    };
    only(language, "template['language']", &["policy", "code"])?;
    if language.contains_key("policy") {
        one_of(language, "policy", &["deterministic"])?;
    }
    text(language, "template['language']", "code")
}

/// The one code in the body and in the button.
fn code(template: &Object) -> Result<String, GraphError> {
    let components = match template.get("components") {
        None => &[],
        Some(Value::Array(components)) => components.as_slice(),
        Some(_) => return Err(GraphError::parameter("Param template['components'] must be an array.")),
    };
    let (mut body, mut button) = (None, None);
    for component in components {
        let Value::Object(component) = component else {
            return Err(GraphError::parameter("Param template['components'] must hold JSON objects."));
        };
        only(component, "template['components']", &["type", "sub_type", "index", "parameters"])?;
        let slot = match text(component, "components", "type")?.to_ascii_lowercase().as_str() {
            "body" => &mut body,
            "button" => {
                url_button(component)?;
                &mut button
            }
            other => {
                return Err(GraphError::new(132_012).details(format!("{other}: the template has no such component")));
            }
        };
        if slot.replace(component).is_some() {
            return Err(GraphError::parameter("Param template['components'] has a component twice."));
        }
    }
    let in_body = parameter(body, "body")?.ok_or_else(|| count(0))?;
    let in_button = parameter(button, "button")?.ok_or_else(|| required("buttons: Button at index 0 of type Url requires a parameter"))?;
    if in_body == in_button { Ok(in_body) } else { Err(GraphError::new(131_009).details("the body and the button carry different codes")) }
}

fn url_button(button: &Object) -> Result<(), GraphError> {
    if !text(button, "components", "sub_type")?.eq_ignore_ascii_case("url") {
        return Err(GraphError::new(132_012).details("buttons: Button at index 0 is of type Url"));
    }
    // Meta's examples write a string, two client libraries a number.
    match button.get("index") {
        Some(Value::String(index)) if index == "0" => Ok(()),
        Some(Value::Number(index)) if index.as_u64() == Some(0) => Ok(()),
        Some(_) => Err(GraphError::new(131_009).details("buttons: the template has no button at that index")),
        None => Err(required("buttons: 'index' is missing")),
    }
}

/// The text of a component's only parameter; None when the component or its parameters are missing.
fn parameter(component: Option<&Object>, name: &str) -> Result<Option<String>, GraphError> {
    let parameters = match component.and_then(|component| component.get("parameters")) {
        None => return Ok(None),
        Some(Value::Array(parameters)) => parameters,
        Some(_) => return Err(GraphError::parameter(format_args!("Param {name}['parameters'] must be an array."))),
    };
    let only_one = match parameters.as_slice() {
        [] => return Ok(None),
        [Value::Object(parameter)] => parameter,
        [_] => return Err(format(name)),
        many => return Err(count(many.len())),
    };
    only(only_one, "parameters", &["type", "text"])?;
    if !text(only_one, "parameters", "type")?.eq_ignore_ascii_case("text") {
        return Err(format(name));
    }
    let text = text(only_one, "parameters", "text")?;
    printable(text, name).map(Some)
}

fn printable(text: String, name: &str) -> Result<String, GraphError> {
    if text.chars().count() > CODE_MAX {
        return Err(GraphError::new(132_005).details(format!("{name}: the code is longer than {CODE_MAX} characters")));
    }
    if text.chars().any(char::is_control) || text.contains("     ") {
        return Err(GraphError::parameter("Param text cannot have new-line/tab characters or more than 4 consecutive spaces"));
    }
    Ok(text)
}

/// A required, non-empty string.
fn text(object: &Object, path: &str, name: &str) -> Result<String, GraphError> {
    match object.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::String(_)) | None => Err(required(&format!("{path}: '{name}' is missing"))),
        Some(_) => Err(GraphError::parameter(format_args!("Param {path}['{name}'] must be a string."))),
    }
}

fn one_of(object: &Object, name: &str, allowed: &[&str]) -> Result<(), GraphError> {
    match object.get(name) {
        None => Err(GraphError::parameter(format_args!("The parameter {name} is required."))),
        Some(Value::String(value)) if allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(value)) => Ok(()),
        Some(other) => Err(GraphError::parameter(format_args!(
            "Param {name} must be one of {{{}}} - got {other}.",
            allowed.join(", ").to_ascii_uppercase()
        ))),
    }
}

/// Graph ignores unknown parameters at the top and refuses them further down.
fn only(object: &Object, path: &str, known: &[&str]) -> Result<(), GraphError> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(GraphError::parameter(format_args!("Unexpected key \"{key}\" on param \"{path}\"."))),
        None => Ok(()),
    }
}

fn required(details: &str) -> GraphError {
    GraphError::new(131_008).details(details)
}

fn count(found: usize) -> GraphError {
    GraphError::new(132_000)
        .details(format!("body: number of localizable_params ({found}) does not match the expected number of params (1)"))
}

fn format(component: &str) -> GraphError {
    GraphError::new(132_012).details(format!("{component}: parameter of type text expected"))
}
