//! What `Cargo.lock` says about one package: no more of its format than that.

/// Every version of `package` in the text of a `Cargo.lock`, in its order.
pub fn versions(lockfile: &str, package: &str) -> Vec<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lockfile.lines();
    let mut found = Vec::new();
    while lines.any(|line| line == name) {
        found.extend(lines.next().and_then(version));
    }
    found
}

fn version(line: &str) -> Option<String> {
    let quoted = line.strip_prefix("version = ")?;
    Some(quoted.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKFILE: &str = "\
[[package]]
name = \"wasm-bindgen\"
version = \"0.2.130\"
dependencies = [
 \"wasm-bindgen-macro\",
]

[[package]]
name = \"wasm-bindgen-macro\"
version = \"0.2.129\"

[[package]]
name = \"twice\"
version = \"1.0.0\"

[[package]]
name = \"twice\"
version = \"2.0.0\"
";

    #[test]
    fn a_package_is_found_by_its_whole_name() {
        assert_eq!(versions(LOCKFILE, "wasm-bindgen"), ["0.2.130"]);
        assert_eq!(versions(LOCKFILE, "wasm"), [""; 0]);
    }

    #[test]
    fn a_package_that_is_there_twice_is_found_twice() {
        assert_eq!(versions(LOCKFILE, "twice"), ["1.0.0", "2.0.0"]);
    }
}
