//! Closes assets by their certificates and says how long that took, for `scripts/bench-register`.
//!
//! ```text
//! closing DATABASE COUNT
//! ```
//!
//! `DATABASE` is a file or `postgres://...`, and holds no register yet. Making the assets and the certificates is not
//! measured: seconds are of taking the certificates in, with verification, close rule and storage.

use std::error::Error;

use closing::Waiting;
use lastwrite::register::Database;
use nix::time::{ClockId, clock_gettime};

#[path = "../common/closing.rs"]
mod closing;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [database, count] = args.as_slice() else { return Err("closing DATABASE COUNT".into()) };
    let (at, count) = (Database::parse(database), count.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut waiting = Waiting::new(&at, count).await?;
        let before = cpu_time()?;
        let seconds = waiting.close().await?;
        println!("{}", serde_json::json!({ "seconds": seconds, "cpu": cpu_time()? - before }));
        Ok(())
    })
}

/// Seconds of a core that this process has used.
fn cpu_time() -> nix::Result<f64> {
    let used: std::time::Duration = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into();
    Ok(used.as_secs_f64())
}
