//! Which forms the page has, and what they do: each calls the use case that the JSON API calls, too.

use maud::{Markup, html};
use serde::{Deserialize, de::value};

use super::{decisions, flash::FlashMessage};
use crate::{
    app::{
        App,
        operators::{
            adopt::Adopt,
            authorise::Authorise,
            block::Block,
            csv,
            import::{Import, Imported},
            lift_hold::LiftHold,
            look_up::LookUp,
            reveal::{Reveal, Revealed},
            revoke::Revoke,
            unblock::Unblock,
        },
        refusal::Refused,
    },
    domain::operator::Target,
};

/// A form, by its `action`. A box that is ticked is there, whatever its value.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Form {
    SignIn {
        #[serde(default)]
        token: String,
    },
    SignOut,
    Block {
        #[serde(default)]
        r#type: String,
        #[serde(default)]
        value: String,
        note: Option<String>,
        ttl_s: Option<String>,
        force: Option<String>,
    },
    Unblock(Unblock),
    Import {
        #[serde(default)]
        entries: String,
        dry_run: Option<String>,
        force: Option<String>,
    },
    Adopt(Adopt),
    AdoptAll {
        note: Option<String>,
    },
    Lift(LiftHold),
    Authorise {
        session_id: Option<String>,
        note: Option<String>,
        ttl_s: Option<String>,
    },
    #[serde(alias = "withdraw")]
    Revoke(Revoke),
    #[serde(alias = "withdraw-all")]
    RevokeAll {
        note: Option<String>,
    },
    Reveal(Reveal),
    LookUp {
        phone: Option<String>,
        ip: Option<String>,
        limit: Option<String>,
    },
}

/// The outcome of a form.
pub enum Done {
    /// A change was made.
    Changed(FlashMessage),
    /// Something was found out, for this response only.
    Found(Markup),
    /// A full number, for the place that showed it masked.
    Revealed(Revealed),
}

impl Form {
    /// Reads a form; `None`: it is none of ours. A field that was left empty was not given.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(bytes).ok()?;
        let given = fields.into_iter().filter(|(_, value)| !value.trim().is_empty());
        Self::deserialize(value::MapDeserializer::<_, value::Error>::new(given)).ok()
    }

    /// Does what the form says, in an operator's name. Forms in what is found carry `csrf`.
    pub async fn submit(self, app: &App, actor: &str, csrf: &str) -> Result<Done, Refused> {
        match self {
            Self::Block { r#type, value, note, ttl_s, force } => {
                let block = Block { r#type, value, note, ttl_s: seconds(ttl_s)?, force: force.is_some() };
                app.block(actor, block).await?;
                Ok(Done::Changed(FlashMessage::Blocked))
            }
            Self::Unblock(unblock) => {
                app.unblock(actor, unblock).await?;
                Ok(Done::Changed(FlashMessage::Unblocked))
            }
            Self::Import { entries, dry_run, force } => {
                let import = Import { lines: csv::read(entries.as_bytes())?, dry_run: dry_run.is_some(), force: force.is_some() };
                Ok(Done::Found(imported(&app.import_blacklist(actor, import).await?)))
            }
            Self::Adopt(adopt) => {
                app.adopt(actor, adopt).await?;
                Ok(Done::Changed(FlashMessage::Adopted))
            }
            Self::AdoptAll { note } => {
                app.adopt(actor, Adopt { all: true, note, ..Adopt::default() }).await?;
                Ok(Done::Changed(FlashMessage::AllAdopted))
            }
            Self::Lift(lift) => {
                app.lift_hold(actor, lift).await?;
                Ok(Done::Changed(FlashMessage::Lifted))
            }
            Self::Authorise { session_id, note, ttl_s } => {
                authorise(app, actor, Authorise { session_id, note, ttl_s: seconds(ttl_s)? }).await
            }
            Self::Revoke(revoke) => {
                app.revoke(actor, revoke).await?;
                Ok(Done::Changed(FlashMessage::Revoked))
            }
            Self::RevokeAll { note } => {
                app.revoke_all(actor, note).await?;
                Ok(Done::Changed(FlashMessage::AllRevoked))
            }
            Self::Reveal(reveal) => Ok(Done::Revealed(app.reveal(actor, reveal).await?)),
            Self::LookUp { phone, ip, limit } => {
                let limit = limit.map(|text| text.trim().parse().map_err(|_| Refused::InvalidField("limit: a number"))).transpose()?;
                Ok(Done::Found(decisions::found(&app.look_up(LookUp { phone, ip, limit }).await?, csrf)))
            }
            Self::SignIn { .. } | Self::SignOut => Err(Refused::InvalidField("action")),
        }
    }
}

/// A session id that is made here is shown once, to be handed over.
async fn authorise(app: &App, actor: &str, authorise: Authorise) -> Result<Done, Refused> {
    let is_new = authorise.session_id.is_none();
    match app.authorise(actor, authorise).await?.change.target {
        Target::Session { id } if is_new => Ok(Done::Found(html! {
            h3 tabindex="-1" #found-title { "A new session id" }
            p { code { (id) } }
            p { "It is shown this once. Hand it over, or turn it into a cookie with " code { "POST /auth/fan/from-onboarding" } "." }
        })),
        _ => Ok(Done::Changed(FlashMessage::Authorised)),
    }
}

fn imported(imported: &Imported) -> Markup {
    let figures = [
        ("Entries", imported.entries),
        ("Added", imported.added),
        ("Changed", imported.changed),
        ("Unchanged", imported.unchanged),
        ("Ended already", imported.ended),
    ];
    html! {
        h3 tabindex="-1" #found-title { @if imported.dry_run { "What the import would do" } @else { "Imported" } }
        dl.figures { @for (title, figure) in figures { div { dt { (title) } dd { (figure) } } } }
    }
}

fn seconds(field: Option<String>) -> Result<Option<u64>, Refused> {
    let parsed = field.map(|text| text.trim().parse().map_err(|_| Refused::InvalidField("ttlS: a number of seconds")));
    parsed.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Option<Form> {
        Form::parse(text.as_bytes())
    }

    #[test]
    fn forms_are_read_by_their_action() {
        let block = form("csrf=x&action=block&type=phone&value=%2B250&note=&ttlS=");
        assert!(matches!(block, Some(Form::Block { note: None, ttl_s: None, .. })));
        assert!(form("action=drop-tables").is_none() && form("csrf=x").is_none());
    }

    #[test]
    fn an_entry_is_named_in_either_way() {
        let Some(Form::Unblock(unblock)) = form("action=unblock&reference=00ff&note=over&csrf=x") else { panic!("it is a form") };
        assert_eq!((unblock.entry.reference.as_deref(), unblock.note.as_deref()), (Some("00ff"), Some("over")));
        let Some(Form::Adopt(adopt)) = form("action=adopt&type=ip&value=203.0.113.1") else { panic!("it is a form") };
        assert_eq!((adopt.entry.r#type.as_deref(), adopt.all), (Some("ip"), false));
    }

    #[test]
    fn the_verb_of_pages_that_were_loaded_before_is_understood() {
        assert!(matches!(form("action=withdraw-all&csrf=x"), Some(Form::RevokeAll { note: None })));
        assert!(matches!(form("action=withdraw&reference=00ff"), Some(Form::Revoke(_))));
    }
}
