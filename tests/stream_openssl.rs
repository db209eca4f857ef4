//! A random pass, block by block, against the openssl that an auditor would use.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Stdio};

use lastwrite::scheme::{Pattern, StreamKey};

mod common;

#[test]
fn openssl_makes_the_same_bytes_from_the_certificates_key() {
    if !common::has("openssl") {
        return common::skip("openssl is not installed");
    }
    for (seed, block) in [(1u8, 0u64), (2, 1), (3, 0xFFFF_FFFF), (4, 1 << 32), (5, (1 << 59) - 1), (6, 12_345_678_901)]
    {
        let key = StreamKey(std::array::from_fn(|i| (i as u8).wrapping_mul(37).wrapping_add(seed)));
        let mut ours = vec![0; 4096];
        Pattern::Random { key }.compile().fill(block * 16, &mut ours);
        assert!(ours == openssl(&key, block, ours.len()), "key {key}, block {block}");
    }
}

fn openssl(key: &StreamKey, block: u64, len: usize) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(["enc", "-aes-128-ctr", "-K", &key.to_string(), "-iv", &format!("{block:032x}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&vec![0; len]).unwrap());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert!(output.status.success());
    output.stdout
}
