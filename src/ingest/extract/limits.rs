//! How much one file may unfold to.
//!
//! A limit that is passed makes an error with the limit in it; nothing is cut to fit. Limits that belong to one format
//! alone stand with its reader.

use serde::{Deserialize, Serialize};

use super::data::json::JsonFields;

/// What holds for a file and everything in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractLimits {
    /// All texts of a file together, in bytes.
    pub text_bytes_max: usize,
    /// Members of an archive and attachments of a mail, those of archives within included.
    pub members_max: usize,
    /// One member, unpacked.
    pub member_bytes_max: u64,
    /// All members together, unpacked.
    pub unpacked_bytes_max: u64,
    /// How many times its own size an archive may unfold to, once that is more than a harmless amount.
    pub unpacked_times_max: u64,
    /// Archives within archives: 2 reads an archive in an archive, but none in that.
    pub archives_deep_max: usize,
    /// Mails attached to mails, the outermost included.
    pub mails_deep_max: usize,
    /// Which fields of JSON files are text.
    pub json_fields: JsonFields,
}

impl Default for ExtractLimits {
    fn default() -> Self {
        Self {
            text_bytes_max: 64 << 20,
            members_max: 10_000,
            member_bytes_max: 64 << 20,
            unpacked_bytes_max: 512 << 20,
            unpacked_times_max: 200,
            archives_deep_max: 2,
            mails_deep_max: 5,
            json_fields: JsonFields::default(),
        }
    }
}
