//! Parses the body of a send as strictly as Meta does. Pure: bytes in, a [`SendRequest`] or the
//! error out.
//!
//! **Invariant:** what is accepted here is accepted by Meta. Where Meta's behaviour is not
//! documented, the stricter reading is taken.

use serde_json::{Map, Value};

use crate::error::GraphError;
use crate::recipient;
use crate::settings::Business;

/// The longest passcode in an authentication template, in characters.
const CODE_MAX: usize = 15;
/// The longest `biz_opaque_callback_data`, in characters.
const CALLBACK_MAX: usize = 512;

type Object = Map<String, Value>;

/// A well-formed request to send an authentication template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRequest {
    /// `to` as it was written; the response repeats it.
    pub input: String,
    /// The recipient's digits, with country code.
    pub digits: String,
    /// The template's name.
    pub template: String,
    /// The template's language.
    pub language: String,
    /// The passcode, which the body and the button both have.
    pub code: String,
    /// `biz_opaque_callback_data`.
    pub callback_data: Option<String>,
}

/// Parses the body of a send.
///
/// # Errors
/// Meta's error for the first thing that is wrong.
pub fn parse(body: &[u8], business: &Business) -> Result<SendRequest, GraphError> {
    // The Graph API treats a body that it cannot parse as one without parameters.
    let body: Object = serde_json::from_slice(body).unwrap_or_default();
    one_of(&body, "messaging_product", &["whatsapp"])?;
    if body.contains_key("recipient_type") {
        one_of(&body, "recipient_type", &["individual"])?;
    }
    let input = to(&body)?;
    let digits = recipient::digits(&input, business)?;
    let callback_data = callback_data(&body)?;
    let template = template(&body)?;
    only_keys(template, "template", &["name", "language", "components", "namespace"])?;
    let name = text(template, "template", "name")?;
    let language = language(template)?;
    let code = code(template)?;
    Ok(SendRequest { input, digits, template: name, language, code, callback_data })
}

fn to(body: &Object) -> Result<String, GraphError> {
    match body.get("to") {
        Some(Value::String(to)) => Ok(to.clone()),
        Some(_) => Err(GraphError::parameter("Param to must be a string.")),
        // A BSUID alone cannot receive an authentication template. If both are there, `to` counts.
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
    // Meta treats a missing type as text.
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
        None => Err(missing("Parameter 'template' is mandatory for type 'template'")),
    }
}

fn language(template: &Object) -> Result<String, GraphError> {
    let Some(language) = template.get("language") else {
        return Err(missing("template: 'language' is missing"));
    };
    let Value::Object(language) = language else {
        return Err(GraphError::parameter("Param template['language'] must be a JSON object."));
    };
    only_keys(language, "template['language']", &["policy", "code"])?;
    if language.contains_key("policy") {
        one_of(language, "policy", &["deterministic"])?;
    }
    text(language, "template['language']", "code")
}

/// The passcode, which has to be the same in the body and in the button.
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
        only_keys(component, "template['components']", &["type", "sub_type", "index", "parameters"])?;
        let slot = match text(component, "components", "type")?.to_ascii_lowercase().as_str() {
            "body" => &mut body,
            "button" => {
                check_button(component)?;
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
    let in_body = parameter(body, "body")?.ok_or_else(|| wrong_parameter_count(0))?;
    let in_button = parameter(button, "button")?.ok_or_else(|| missing("buttons: Button at index 0 of type Url requires a parameter"))?;
    if in_body == in_button { Ok(in_body) } else { Err(GraphError::new(131_009).details("the body and the button carry different codes")) }
}

fn check_button(button: &Object) -> Result<(), GraphError> {
    if !text(button, "components", "sub_type")?.eq_ignore_ascii_case("url") {
        return Err(GraphError::new(132_012).details("buttons: Button at index 0 is of type Url"));
    }
    // Meta's examples have a string here, two client libraries send a number.
    match button.get("index") {
        Some(Value::String(index)) if index == "0" => Ok(()),
        Some(Value::Number(index)) if index.as_u64() == Some(0) => Ok(()),
        Some(_) => Err(GraphError::new(131_009).details("buttons: the template has no button at that index")),
        None => Err(missing("buttons: 'index' is missing")),
    }
}

/// The text of a component's only parameter. `None` if the component or its parameters are missing.
fn parameter(component: Option<&Object>, name: &str) -> Result<Option<String>, GraphError> {
    let parameters = match component.and_then(|component| component.get("parameters")) {
        None => return Ok(None),
        Some(Value::Array(parameters)) => parameters,
        Some(_) => return Err(GraphError::parameter(format_args!("Param {name}['parameters'] must be an array."))),
    };
    let parameter = match parameters.as_slice() {
        [] => return Ok(None),
        [Value::Object(only)] => only,
        [_] => return Err(wrong_parameter_type(name)),
        many => return Err(wrong_parameter_count(many.len())),
    };
    only_keys(parameter, "parameters", &["type", "text"])?;
    if !text(parameter, "parameters", "type")?.eq_ignore_ascii_case("text") {
        return Err(wrong_parameter_type(name));
    }
    let text = text(parameter, "parameters", "text")?;
    check_code(text, name).map(Some)
}

fn check_code(text: String, name: &str) -> Result<String, GraphError> {
    if text.chars().count() > CODE_MAX {
        return Err(GraphError::new(132_005).details(format!("{name}: the code is longer than {CODE_MAX} characters")));
    }
    if text.chars().any(char::is_control) || text.contains("     ") {
        return Err(GraphError::parameter("Param text cannot have new-line/tab characters or more than 4 consecutive spaces"));
    }
    Ok(text)
}

/// The member `name` of `object`, which has to be a string that is not empty.
fn text(object: &Object, path: &str, name: &str) -> Result<String, GraphError> {
    match object.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::String(_)) | None => Err(missing(&format!("{path}: '{name}' is missing"))),
        Some(_) => Err(GraphError::parameter(format_args!("Param {path}['{name}'] must be a string."))),
    }
}

/// Checks that the member `name` is one of `allowed`, in any case.
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

/// Checks that there are no other members. The Graph API ignores these at the top and refuses them
/// further down.
fn only_keys(object: &Object, path: &str, known: &[&str]) -> Result<(), GraphError> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(GraphError::parameter(format_args!("Unexpected key \"{key}\" on param \"{path}\"."))),
        None => Ok(()),
    }
}

fn missing(details: &str) -> GraphError {
    GraphError::new(131_008).details(details)
}

fn wrong_parameter_count(found: usize) -> GraphError {
    GraphError::new(132_000)
        .details(format!("body: number of localizable_params ({found}) does not match the expected number of params (1)"))
}

fn wrong_parameter_type(component: &str) -> GraphError {
    GraphError::new(132_012).details(format!("{component}: parameter of type text expected"))
}
