//! `cairn keys`: make, list and revoke the keys of this data folder, while a server uses it or not.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::app::DataDir;
use crate::caller::{Collections, Group};
use crate::config::Config;
use crate::document::CollectionName;
use crate::key::{self, Grant, Permission};
use crate::ledger::{KeyRow, Ledger};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key; it is shown this once
    Create(CreateArgs),
    /// List every key there ever was
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a key, at once and for good
    Revoke {
        /// The id that `cairn keys list` shows
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Who or what it is for
    #[arg(long)]
    name: String,
    /// What its holder may do: ask, ingest, admin
    #[arg(long, value_delimiter = ',', default_value = "ask")]
    scope: Vec<Permission>,
    /// The collections that its holder may use [default: all]
    #[arg(long, value_delimiter = ',')]
    collections: Vec<CollectionName>,
    /// The groups that its holder belongs to: documents that allow groups are seen by their members only
    #[arg(long, value_delimiter = ',')]
    groups: Vec<Group>,
    /// When it ends, from now, e.g. 90days [default: never]
    #[arg(long, value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
}

/// A key as `list --json` shows it.
#[derive(Debug, Serialize)]
struct KeyLine {
    id: String,
    name: String,
    state: &'static str,
    scopes: Vec<String>,
    collections: Vec<String>,
    groups: Vec<String>,
    created: String,
    expires: Option<String>,
    last_used: Option<String>,
}

pub(super) async fn run(command: KeysCommand, config: Config) -> anyhow::Result<ExitCode> {
    let ledger = DataDir::open_ledger_beside(&config.data_dir).await?;
    match command {
        KeysCommand::Create(args) => create(&ledger, args).await?,
        KeysCommand::List { json } => list(&ledger, json).await?,
        KeysCommand::Revoke { id } => {
            if !ledger.revoke_key(&id, key::now_s()).await? {
                bail!("no key in use has the id {id:?}: `cairn keys list` shows them");
            }
            writeln!(io::stdout(), "{id} is revoked")?;
        }
    }
    ledger.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn create(ledger: &Ledger, args: CreateArgs) -> anyhow::Result<()> {
    let collections = match args.collections.is_empty() {
        true => Collections::All,
        false => Collections::Only(args.collections.into_iter().collect()),
    };
    let is_first = !ledger.has_keys().await?;
    let grant = Grant {
        name: args.name,
        permissions: args.scope.into_iter().collect(),
        collections,
        groups: args.groups.into_iter().collect::<BTreeSet<_>>(),
        expires_in: args.expires,
    };
    let key = key::create(ledger, &grant).await?;
    writeln!(io::stdout(), "{}", key.expose_secret())?;
    eprintln!("keep it: it is not shown again. Clients send it as \"Authorization: Bearer KEY\"");
    if is_first {
        eprintln!("it is the first key of this data folder: from now on every request needs one");
    }
    Ok(())
}

async fn list(ledger: &Ledger, json: bool) -> anyhow::Result<()> {
    let lines: Vec<KeyLine> = ledger.keys().await?.into_iter().map(line).collect::<Result<_, _>>()?;
    let mut out = io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&lines)?)?;
        return Ok(());
    }
    for key in lines {
        let all = |texts: Vec<String>, none: &str| if texts.is_empty() { none.to_owned() } else { texts.join(",") };
        writeln!(
            out,
            "{}  {:<7}  {}  scope {}  collections {}  groups {}  expires {}  last used {}",
            key.id,
            key.state,
            key.name,
            key.scopes.join(","),
            all(key.collections, "all"),
            all(key.groups, "none"),
            key.expires.as_deref().unwrap_or("never"),
            key.last_used.as_deref().unwrap_or("never"),
        )?;
    }
    Ok(())
}

fn line(row: KeyRow) -> anyhow::Result<KeyLine> {
    let texts = |list: &str| serde_json::from_str::<Vec<String>>(list).context("read a key's row");
    let state = match (row.revoked_at, key::is_in_use(&row, key::now_s())) {
        (Some(_), _) => "revoked",
        (None, true) => "active",
        (None, false) => "expired",
    };
    Ok(KeyLine {
        scopes: texts(&row.permissions)?,
        collections: texts(&row.collections)?,
        groups: texts(&row.groups)?,
        created: time(row.created_at),
        expires: row.expires_at.map(time),
        last_used: row.last_used_at.map(time),
        id: row.id,
        name: row.name,
        state,
    })
}

/// RFC 3339, UTC.
fn time(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
}
