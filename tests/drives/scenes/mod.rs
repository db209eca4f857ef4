//! What is shown on the drives.

mod overwrite;
