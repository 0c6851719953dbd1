//! What several commands take, and how each ends.

use crate::host::config::env::Variable;
use crate::host::config::flags::Flags;
use crate::host::config::origin::Problems;
use crate::host::config::schema::{Config, Recordings};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Ok = 0,
    /// It tried and failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// `preflight`: the link is below the floor.
    Below = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Which configuration: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[group(required = true, multiple = false)]
pub struct Source {
    /// The configuration file (config/beistand.toml shows all settings)
    #[arg(
        long,
        value_name = "FILE",
        env = "BEISTAND_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// For development, on this machine only: a published API key, and data under ./data
    #[arg(long)]
    pub dev: bool,
}

impl Source {
    /// The configuration without any other flags.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(&self, env: impl IntoIterator<Item = Variable>) -> Result<Config, Problems> {
        // Nothing will listen, so `dev_public` keeps addresses of the environment from mattering.
        let flags = Flags {
            dev: self.dev,
            dev_public: true,
            ..Flags::default()
        };
        Config::load(self.config.as_deref(), env, &flags)
    }
}

/// Where a ledger is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[group(multiple = false)]
pub struct DataArgs {
    /// Directory of the ledger [default: ./data, where --dev keeps it]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The configuration file that names the directory
    #[arg(
        long,
        value_name = "FILE",
        env = "BEISTAND_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
}

impl DataArgs {
    /// The directory.
    ///
    /// # Errors
    /// All that is wrong with the configuration that should name it.
    pub fn dir(&self, env: impl IntoIterator<Item = Variable>) -> Result<PathBuf, Problems> {
        match (&self.data, &self.config) {
            (Some(dir), _) => Ok(dir.clone()),
            (None, Some(file)) => Ok(Config::load(Some(file), env, &Flags::default())?.data.dir),
            (None, None) => Ok(PathBuf::from("./data")),
        }
    }

    /// The directory of the ledger and that of the recordings.
    ///
    /// # Errors
    /// All that is wrong with the configuration that should name them.
    pub fn dirs(
        &self,
        env: impl IntoIterator<Item = Variable>,
    ) -> Result<(PathBuf, PathBuf), Problems> {
        if let (None, Some(file)) = (&self.data, &self.config) {
            let config = Config::load(Some(file), env, &Flags::default())?;
            let recordings = config.recordings.dir(&config.data.dir);
            return Ok((config.data.dir, recordings));
        }
        let data = self.dir(env)?;
        let recordings = Recordings::default().dir(&data);
        Ok((data, recordings))
    }
}

/// The environment as `Config::load` wants it.
pub fn environment() -> impl Iterator<Item = Variable> {
    std::env::vars_os()
}
