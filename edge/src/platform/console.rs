//! Where log lines go. Not what they say.

use web_sys::console;

use super::{clock, memory};
use crate::log::{Level, Line};

/// Writes a line.
pub fn write(line: Line) {
    let level = line.level();
    let text = line.finish().into();
    match level {
        Level::Info => console::log_1(&text),
        Level::Warn => console::warn_1(&text),
    }
}

/// Writes a line about one request, unless the isolate has written enough of them.
pub fn write_within_budget(line: Line) {
    let now_ms = clock::now_ms();
    if memory::isolate(|isolate| isolate.lines.spend(now_ms)) {
        write(line);
    }
}
