//! Set-up: what the machine lacks is installed, and said.
//!
//! Each piece knows whether it is present, why it is wanted and how it is installed. With everything present
//! this costs a few starts of small programs, and nothing is printed.
//!
//! **Invariant:** a piece counts as present only when it is whole: installations are made beside the place
//! and moved into it, under one lock for all checkouts.

pub mod cache;
pub mod cargo_tools;
pub mod lockfile;
mod node;
mod packages;
mod toolchain;

use std::time::Instant;

use crate::failure::{Failure, Outcome};

/// Something that has to be there before the work can start.
trait Piece {
    /// What it is, with its version where that matters.
    fn name(&self) -> String;
    /// What it is for, as the end of "missing: …:".
    fn why(&self) -> &'static str;
    /// Whether it is there, whole. Asked at every start: it has to be quick.
    fn present(&self) -> bool;
    /// Puts it there, or says exactly what a person has to do.
    fn install(&self) -> Outcome;
}

/// What building and running needs.
pub fn for_building() -> Outcome {
    provide(&building()?)
}

/// What the checks and the tests need: all of it.
pub fn for_tests() -> Outcome {
    let mut pieces = building()?;
    // In front: a missing package may need a person, who should not be called back after ten minutes.
    pieces.insert(0, Box::new(packages::DebianPackages));
    pieces.push(Box::new(cargo_tools::machete()));
    pieces.push(Box::new(cargo_tools::deny()));
    provide(&pieces)?;
    cache::drop_build_directory()
}

/// What `cargo deny` alone needs.
pub fn for_advisories() -> Outcome {
    provide(&[Box::new(cargo_tools::deny())])
}

fn building() -> Outcome<Vec<Box<dyn Piece>>> {
    Ok(vec![
        Box::new(node::Node),
        Box::new(toolchain::WasmTarget),
        Box::new(node::Modules),
        Box::new(cargo_tools::wasm_bindgen()?),
        Box::new(cargo_tools::worker_build()),
    ])
}

fn provide(pieces: &[Box<dyn Piece>]) -> Outcome {
    pieces.iter().filter(|piece| !piece.present()).try_for_each(|piece| install(piece.as_ref()))
}

fn install(piece: &dyn Piece) -> Outcome {
    let _lock = cache::lock()?;
    if piece.present() {
        return Ok(()); // another checkout installed it while we waited
    }
    let name = piece.name();
    println!("set-up: missing: {name}: {}", piece.why());
    let start = Instant::now();
    piece.install()?;
    if !piece.present() {
        return Err(Failure::new(format!("installed without a complaint, and still missing: {name}")));
    }
    println!("set-up: there after {:.1} s: {name}", start.elapsed().as_secs_f64());
    Ok(())
}
