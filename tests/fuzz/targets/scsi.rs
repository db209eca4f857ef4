#![no_main]

use lastwrite_fuzz::parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::scsi(bytes));
