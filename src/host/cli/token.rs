//! `beistand token`: a token as an app would make it.

use super::args::Source;
use crate::base::{Millis, Now, Role, Unix};
use crate::host::config::schema::Config;
use crate::peer::signal::token::{Claims, authorize_join, is_server_owned, sign};
use anyhow::{Context, bail, ensure};
use clap::Args;

/// Longest validity: who needs more wants a new token.
const MAX_TTL: Millis = Millis::from_secs(366 * 24 * 3600);

/// `beistand token`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct TokenArgs {
    /// Whose API keys sign it.
    #[command(flatten)]
    pub source: Source,
    /// The room
    #[arg(long, required_unless_present = "admin")]
    pub room: Option<String>,
    /// Who joins: unique in the room, and the same at every join
    #[arg(long, required_unless_present = "admin")]
    pub identity: Option<String>,
    /// For the Sessions API instead of a join: it makes, lists and administers sessions, with --room
    /// those of that room alone
    #[arg(long, conflicts_with_all = ["role", "name", "policy", "attributes"])]
    pub admin: bool,
    /// What the participant is to the session: expert, customer, guest or observer
    #[arg(long, value_name = "ROLE", value_parser = parse_role)]
    pub role: Option<Role>,
    /// The name shown to others
    #[arg(long)]
    pub name: Option<String>,
    /// The policy of the session that this join opens, by its name in the configuration
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// How long the token is good for: 30s, 90m, 6h, 2d
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = parse_ttl)]
    pub ttl: Millis,
    /// A named text for the app; may be given several times
    #[arg(long = "attribute", value_name = "NAME=TEXT", value_parser = parse_attribute)]
    pub attributes: Vec<(String, String)>,
    /// Which API key signs, where the configuration has several
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

fn parse_role(text: &str) -> anyhow::Result<Role> {
    Ok(text.parse()?)
}

fn parse_ttl(text: &str) -> anyhow::Result<Millis> {
    let span = humantime::parse_duration(text)
        .ok()
        .and_then(|span| u64::try_from(span.as_millis()).ok())
        .map(Millis)
        .context("no time: write one such as 30s, 90m, 6h or 2d")?;
    ensure!(
        span >= Millis(1000) && span <= MAX_TTL,
        "1s to 366d are allowed"
    );
    Ok(span)
}

fn parse_attribute(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("write NAME=TEXT")?;
    ensure!(!name.is_empty(), "write NAME=TEXT");
    match name {
        "role" | "policy" => bail!("use --{name}"),
        _ => Ok((name.to_owned(), value.to_owned())),
    }
}

/// Makes the token.
///
/// # Errors
/// The configuration has not the one key to sign with, or the token would be refused at the join.
pub fn make_token(args: &TokenArgs, config: &Config, now: Now) -> anyhow::Result<String> {
    let keys = config.api_keys()?;
    let key = match &args.key {
        Some(key) => key,
        None => only_key(config)?,
    };
    let identity = args.identity.as_deref().unwrap_or_default();
    let mut claims = Claims::new(key, identity, Unix(now.unix.0 + args.ttl.0));
    claims.video.room.clone_from(&args.room);
    if args.admin {
        claims.video.room_create = Some(args.room.is_none());
        claims.video.room_list = Some(args.room.is_none());
        claims.video.room_admin = Some(true);
    } else {
        let project = keys.project(key).cloned().unwrap_or_default();
        let policies = config.all_policies();
        admit(
            args,
            &mut claims,
            &policies.names(&project).collect::<Vec<_>>(),
        )?;
    }
    sign(&claims, &keys, now)
        .with_context(|| format!("no API key {key:?} in [keys] or [projects.NAME.keys]"))
}

/// What a participant's token says.
fn admit(args: &TokenArgs, claims: &mut Claims, policies: &[&str]) -> anyhow::Result<()> {
    claims.name = args.name.clone().unwrap_or_default();
    claims.attributes = args.attributes.iter().cloned().collect();
    let owned = [
        ("role", args.role.map(|role| role.as_str().to_owned())),
        ("policy", args.policy.clone()),
    ];
    for (name, value) in owned {
        debug_assert!(is_server_owned(name), "only a token may set it");
        claims
            .attributes
            .extend(value.map(|value| (name.to_owned(), value)));
    }
    if let Some(policy) = &args.policy {
        ensure!(
            policies.contains(&policy.as_str()),
            "the configuration has no policy {policy:?}: add [policies.{policy}]"
        );
    }
    claims.video.room_join = Some(true);
    authorize_join(claims)?;
    Ok(())
}

fn only_key(config: &Config) -> anyhow::Result<&String> {
    let mut keys = config.keys.keys();
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key),
        (None, _) if !config.projects.is_empty() => {
            bail!("the configuration has no API key in [keys]: choose one of a project with --key")
        }
        (None, _) => bail!("the configuration has no API key: add one to [keys]"),
        (Some(_), Some(_)) => {
            let names: Vec<&str> = config.keys.keys().map(String::as_str).collect();
            bail!(
                "the configuration has several API keys: choose with --key {}",
                names.join("|")
            )
        }
    }
}
