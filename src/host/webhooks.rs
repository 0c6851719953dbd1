//! `beistand webhooks …`: dead letters as the ledger has them, and what a running node is asked to do.

use super::cli::args::{Exit, environment};
use super::cli::webhooks::{AdminArgs, EnableArgs, ListLettersArgs, ReplayArgs, WebhooksCommand};
use super::config::flags::Flags;
use super::config::schema::{Admin, Config};
use super::store::dead_letters::{dead_letters, endpoints};
use super::store::read::LedgerReader;
use crate::api::{DeadLetter, DeadLetterFilter, Within};
use crate::base::ProjectId;
use anyhow::{Context, bail};
use reqwest::{Client, redirect};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// How long the node may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does what the command says: the text to print, and how the process ends.
///
/// # Errors
/// There is no ledger, the node does not answer, or it refuses.
pub(super) fn webhooks(command: &WebhooksCommand) -> anyhow::Result<(String, Exit)> {
    match command {
        WebhooksCommand::List(args) => list(args),
        WebhooksCommand::Replay(args) => replay(args),
        WebhooksCommand::Enable(args) => enable(args),
    }
}

/// A dead letter, as machines read it.
#[derive(Serialize)]
struct Listed {
    endpoint: String,
    event: String,
    session: String,
    event_seq: u64,
    #[serde(rename = "type")]
    kind: String,
    created: String,
    dead: String,
    attempts: u32,
    last_status: Option<u16>,
    reason: Option<String>,
}

impl Listed {
    fn of(endpoint: &str, letter: DeadLetter) -> Listed {
        Listed {
            endpoint: endpoint.to_owned(),
            event: letter.event_id,
            session: letter.session,
            event_seq: letter.event_seq,
            kind: letter.kind,
            created: letter.created_unix_ms.rfc3339(),
            dead: letter.dead_unix_ms.rfc3339(),
            attempts: letter.attempts,
            last_status: letter.last_status,
            reason: letter.reason,
        }
    }

    fn why(&self) -> String {
        match (self.reason.as_deref(), self.last_status) {
            (Some("removed"), _) => "removed".to_owned(),
            (Some("status") | None, Some(status)) => status.to_string(),
            (Some(reason), _) => reason.to_owned(),
            (None, None) => "-".to_owned(),
        }
    }
}

/// The project of an endpoint as the node calls it, and its name there.
fn place(endpoint: &str) -> (&str, &str) {
    endpoint.split_once('/').unwrap_or(("default", endpoint))
}

fn list(args: &ListLettersArgs) -> anyhow::Result<(String, Exit)> {
    let reader = LedgerReader::open(&args.place.dir(environment())?)?;
    let named = match &args.endpoint {
        Some(endpoint) => vec![endpoint.clone()],
        None => endpoints(&reader)?,
    };
    let mut listed = Vec::new();
    for endpoint in &named {
        let (project, name) = place(endpoint);
        let filter = DeadLetterFilter {
            endpoint: name.to_owned(),
            limit: args.limit,
            ..DeadLetterFilter::default()
        };
        let found = dead_letters(&reader, &Within::new(&ProjectId::from(project), filter))?;
        listed.extend(found.into_iter().map(|letter| Listed::of(endpoint, letter)));
    }
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&listed)?)
    } else {
        table(&listed)
    };
    Ok((text, Exit::Ok))
}

fn table(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "there are no dead letters\n".to_owned();
    }
    let widest = |cell: fn(&Listed) -> usize| listed.iter().map(cell).max().unwrap_or(0);
    let (endpoint, event) = (widest(|l| l.endpoint.len()), widest(|l| l.event.len()));
    let kind = widest(|l| l.kind.len());
    let mut text = String::new();
    for letter in listed {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:endpoint$}  {:event$}  {:kind$}  given up {} after {} attempts: {}",
            letter.endpoint,
            letter.event,
            letter.kind,
            letter.dead,
            letter.attempts,
            letter.why()
        );
    }
    text
}

fn replay(args: &ReplayArgs) -> anyhow::Result<(String, Exit)> {
    let node = admin(&args.node)?;
    let body = match args.event.is_empty() {
        true => json!({}),
        false => json!({"events": args.event}),
    };
    let mut replayed = 0;
    loop {
        let answer = ask(node, &args.endpoint, "replay", &body)?;
        replayed += answer["replayed"].as_u64().unwrap_or(0);
        if !(args.all && answer["more"] == true) {
            break;
        }
    }
    let text = if args.json {
        format!(
            "{}\n",
            json!({"endpoint": args.endpoint, "replayed": replayed})
        )
    } else {
        format!(
            "{replayed} events are delivered again to {}\n",
            args.endpoint
        )
    };
    Ok((text, Exit::Ok))
}

fn enable(args: &EnableArgs) -> anyhow::Result<(String, Exit)> {
    let answer = ask(admin(&args.node)?, &args.endpoint, "enable", &json!({}))?;
    let pending = answer["pending"].as_u64().unwrap_or(0);
    let text = if args.json {
        format!(
            "{}\n",
            json!({"endpoint": args.endpoint, "state": answer["state"], "pending": pending})
        )
    } else {
        format!(
            "{} is posted to; {pending} events wait for it\n",
            args.endpoint
        )
    };
    Ok((text, Exit::Ok))
}

/// The address to ask. One that listens everywhere is asked on this machine.
fn admin(args: &AdminArgs) -> anyhow::Result<SocketAddr> {
    let bound = match (args.admin, &args.config) {
        (Some(address), _) => address,
        (None, Some(file)) => {
            Config::load(Some(file), environment(), &Flags::default())?
                .admin
                .bind
        }
        (None, None) => Admin::default().bind,
    };
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    Ok(SocketAddr::new(ip, bound.port()))
}

fn ask(node: SocketAddr, endpoint: &str, what: &str, body: &Value) -> anyhow::Result<Value> {
    let (project, name) = place(endpoint);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if [project, name]
        .iter()
        .any(|part| part.is_empty() || !part.chars().all(allowed))
    {
        bail!("{endpoint:?} is no endpoint: it is called NAME, or PROJECT/NAME");
    }
    let url = format!("http://{node}/webhooks/{project}/{name}/{what}");
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .tls_certs_only([])
        .timeout(PATIENCE);
    let client = client.build().context("the network cannot be used")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the network cannot be used")?;
    let (status, text) = runtime.block_on(async {
        let request = client.post(&url).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await;
        let answer = answer.map_err(reqwest::Error::without_url);
        let answer = answer.with_context(|| {
            format!("no node answers at {node}: does it run, and is that its admin address?")
        })?;
        let status = answer.status();
        anyhow::Ok((status, answer.text().await?))
    })?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    if !status.is_success() {
        bail!("{}", answer["detail"].as_str().unwrap_or(status.as_str()));
    }
    Ok(answer)
}
