//! Where a register is: a file or a server.

/// Where a register is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    File(std::path::PathBuf),
    /// `postgres://...`
    Server(String),
}

impl Database {
    /// `postgres://...` or a file.
    pub fn parse(text: &str) -> Database {
        match text.starts_with("postgres://") || text.starts_with("postgresql://") {
            true => Database::Server(text.to_owned()),
            false => Database::File(text.into()),
        }
    }

    pub(super) fn place(&self) -> String {
        match self {
            Database::File(path) => path.display().to_string(),
            Database::Server(url) => {
                match url.split_once("://").and_then(|(s, rest)| Some((s, rest.split_once('@')?.1))) {
                    Some((scheme, host)) => format!("{scheme}://{host}"),
                    None => url.clone(),
                }
            }
        }
    }
}
