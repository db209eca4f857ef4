//! argv in, exit code out.

fn main() -> std::process::ExitCode {
    lastwrite::frontend::cli::main(std::env::args_os())
}
