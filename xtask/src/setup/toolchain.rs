//! The Rust target that the Worker is compiled for.
//!
//! `rust-toolchain.toml` names it too, but rustup adds targets only when it installs a toolchain, not to one
//! that was there before.

use std::path::Path;

use super::Piece;
use crate::command::{ask, program, run};
use crate::failure::Outcome;

const TARGET: &str = "wasm32-unknown-unknown";

/// The standard library for wasm.
pub struct WasmTarget;

impl Piece for WasmTarget {
    fn name(&self) -> String {
        format!("the Rust target {TARGET}")
    }

    fn why(&self) -> &'static str {
        "the Worker is compiled for it"
    }

    fn present(&self) -> bool {
        let sysroot = ask(program("rustc").args(["--print", "sysroot"]));
        sysroot.is_some_and(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).is_dir())
    }

    fn install(&self) -> Outcome {
        run(program("rustup").args(["target", "add", TARGET]))
    }
}
