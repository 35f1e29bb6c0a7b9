//! The bugs that are planted on purpose: patches beside this file, which `planted.sh` applies to copies of the tree.
//! Here only: does each still fit the code it breaks?

use std::fs;
use std::path::Path;

/// What a patch takes out and leaves standing, hunk by hunk, by file.
fn hunks(patch: &str) -> Vec<(String, String)> {
    let mut hunks: Vec<(String, String)> = Vec::new();
    let mut file = String::new();
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            file = path.to_owned();
        } else if line.starts_with("@@ ") {
            hunks.push((file.clone(), String::new()));
        } else if let (Some((_, text)), Some(kept)) = (hunks.last_mut(), line.strip_prefix([' ', '-']))
            && !line.starts_with("---")
        {
            text.push_str(kept);
            text.push('\n');
        }
    }
    hunks
}

#[test]
fn planted_bugs_fit_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/simulation/planted");
    let mut patches = 0;
    for entry in fs::read_dir(folder).expect("patches are beside this file") {
        let path = entry.expect("a readable folder").path();
        let hunks = hunks(&fs::read_to_string(&path).expect("a patch is text"));
        assert!(!hunks.is_empty(), "{} is no patch", path.display());
        for (file, old) in hunks {
            let text = fs::read_to_string(root.join(&file)).expect("the file it patches");
            assert!(
                file.starts_with("src/turn/") && text.contains(&old),
                "{} does not fit {file} any more; there is no\n{old}",
                path.display()
            );
        }
        patches += 1;
    }
    assert!(patches >= 3, "{patches} bugs are planted, three at least should be");
}
