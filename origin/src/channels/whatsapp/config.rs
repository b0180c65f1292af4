//! What the operator sets of WhatsApp. Not how it is read: the environment is `config`'s.

/// The WhatsApp account, and how to use it. `Debug` shows no secret.
#[derive(Clone)]
pub struct WhatsAppConfig {
    /// `WHATSAPP_BASE_URL`
    pub base_url: String,
    /// `WHATSAPP_API_VERSION`
    pub api_version: String,
    /// `WHATSAPP_PHONE_NUMBER_ID`
    pub phone_number_id: String,
    /// `WHATSAPP_TOKEN`
    pub token: String,
    /// `WHATSAPP_WABA_ID`
    pub waba_id: String,
    /// `WHATSAPP_APP_SECRET`
    pub app_secret: String,
    /// `WHATSAPP_VERIFY_TOKEN`
    pub verify_token: String,
    /// `WHATSAPP_TEMPLATE`
    pub template: String,
    /// `WHATSAPP_LANGUAGES`, in order of preference.
    pub languages: Vec<String>,
    /// `OTP_WHATSAPP_TEMPLATE_APPROVED`; `None`: learned from Meta.
    pub approved: Option<bool>,
    /// `OTP_WHATSAPP_RATE_LIMIT_DOC`; `None`: not shown.
    pub rate_limit_doc: Option<String>,
    /// Messages a second that this replica may send: its share of the number's throughput.
    pub sends_per_s: u32,
    /// `OTP_TTL_S`: a template that Meta delivers for longer is warned about.
    pub code_life_s: u64,
}

impl std::fmt::Debug for WhatsAppConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WhatsAppConfig")
            .field("base_url", &self.base_url)
            .field("api_version", &self.api_version)
            .field("phone_number_id", &self.phone_number_id)
            .field("waba_id", &self.waba_id)
            .field("template", &self.template)
            .field("languages", &self.languages)
            .field("approved", &self.approved)
            .field("sends_per_s", &self.sends_per_s)
            .finish_non_exhaustive()
    }
}
