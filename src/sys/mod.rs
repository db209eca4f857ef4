//! The one place for `unsafe`: what the kernel offers and no safe crate wraps.
#![allow(unsafe_code)]

pub mod ioctl;
