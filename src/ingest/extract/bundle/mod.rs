//! Files that hold other files: archives, and mails with what is attached to them.

mod archive;
mod mail;
mod msg;
pub(super) mod joined;

pub(super) use archive::Packing;
