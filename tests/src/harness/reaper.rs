//! The last resort against leaked processes: a shell that outlives this process and kills what it left behind.
//!
//! [`Process`](super::Process) stops its own child, also when a story panics; but nothing in this process runs when it is killed itself.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Reads `+ PID` and `- PID`; at the end of the input, kills the groups that were not taken back.
const SCRIPT: &str = r#"
live=" "
while read -r sign group; do
    case $sign in
        +) live="$live$group " ;;
        -) live="${live%% $group *} ${live#* $group }" ;;
    esac
done
for group in $live; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

// Statics are not dropped: the pipe closes when this process ends, however it ends.
static REAPER: LazyLock<Mutex<Child>> = LazyLock::new(|| {
    let shell = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // An interrupt from the terminal goes to the whole foreground group, and must not end the reaper first.
        .process_group(0)
        .spawn();
    Mutex::new(shell.expect("there is a shell"))
});

/// Has the group killed when this process ends.
pub fn register(group: u32) {
    tell('+', group);
}

/// The group is gone.
pub fn forget(group: u32) {
    tell('-', group);
}

fn tell(sign: char, group: u32) {
    let mut shell = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    let pipe = shell.stdin.as_mut().expect("its input is piped");
    // Without a reaper the ordinary way still works.
    let _ = writeln!(pipe, "{sign} {group}");
}
