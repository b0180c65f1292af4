//! What an operator is told after a form has changed something: carried over in the page's address, as a word.

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashMessage {
    /// An entry was added.
    Blocked,
    /// An entry was removed.
    Unblocked,
    /// A manual KV entry was adopted.
    Adopted,
    /// All of them were.
    AllAdopted,
    /// A hold was lifted.
    Lifted,
    /// A session id was authorised.
    Authorised,
    /// One was revoked.
    Revoked,
    /// All were revoked.
    AllRevoked,
}

impl FlashMessage {
    const ALL: [Self; 8] =
        [Self::Blocked, Self::Unblocked, Self::Adopted, Self::AllAdopted, Self::Lifted, Self::Authorised, Self::Revoked, Self::AllRevoked];

    /// The word for the page's address.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::Adopted => "adopted",
            Self::AllAdopted => "all-adopted",
            Self::Lifted => "lifted",
            Self::Authorised => "authorised",
            Self::Revoked => "revoked",
            Self::AllRevoked => "all-revoked",
        }
    }

    /// Reads that word, or the one that stood in addresses before.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "withdrawn" => Some(Self::Revoked),
            "all-withdrawn" => Some(Self::AllRevoked),
            _ => Self::ALL.into_iter().find(|flash| flash.word() == word),
        }
    }

    /// What the operator is told.
    pub fn text(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked. The origin refuses it at once; the list says when the edge does.",
            Self::Unblocked => "Unblocked. The origin lets it pass at once; caches at the edge may lag for a minute and a half.",
            Self::Adopted => "Adopted. The key in KV stays until a hand removes it.",
            Self::AllAdopted => "Adopted. The keys in KV stay until a hand removes them.",
            Self::Lifted => "The hold is lifted.",
            Self::Authorised => "Authorised.",
            Self::Revoked => "Revoked, and with it the cookie that was made from it.",
            Self::AllRevoked => "All manual sessions are revoked.",
        }
    }

    /// The section to look at.
    pub fn section(self) -> &'static str {
        match self {
            Self::Authorised | Self::Revoked | Self::AllRevoked => "sessions",
            Self::Blocked | Self::Unblocked | Self::Adopted | Self::AllAdopted | Self::Lifted => "blacklist",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_nothing_else() {
        for flash in FlashMessage::ALL {
            assert_eq!(FlashMessage::parse(flash.word()), Some(flash));
        }
        assert_eq!(FlashMessage::parse("withdrawn"), Some(FlashMessage::Revoked));
        assert_eq!(FlashMessage::parse("<script>"), None);
    }
}
