//! The list of requirements.

/// A section of `ids.txt`.
pub(crate) struct Chapter {
    /// `9. Allocate`.
    pub(crate) title: &'static str,
    /// Its ids.
    pub(crate) ids: Vec<&'static str>,
}

/// Sections whose ids are all tested, or explained one by one; the others need features that do not exist yet.
const CLAIMED: &[&str] = &["1", "2", "3", "5", "8", "9", "10", "11", "12", "14", "15", "22", "23", "25"];
/// Ids of other sections that are tested all the same.
const CLAIMED_ALONE: &[&str] = &["ALT-006"];
/// Of a claimed section, the kinds of ids that are not.
const UNCLAIMED_KINDS: &[&str] = &["ORIG"];

impl Chapter {
    /// Its number.
    pub(crate) fn number(&self) -> &'static str {
        self.title.split('.').next().unwrap_or_default()
    }

    /// The ids of it that each have a test or an explanation.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = &'static str> {
        let is_claimed = CLAIMED.contains(&self.number());
        let is_of_kind = |id: &str| id.split('-').next().is_none_or(|kind| !UNCLAIMED_KINDS.contains(&kind));
        let wanted = move |id: &&str| if is_claimed { is_of_kind(id) } else { CLAIMED_ALONE.contains(id) };
        self.ids.iter().copied().filter(wanted)
    }
}

/// All sections.
pub(crate) fn chapters() -> Vec<Chapter> {
    let mut chapters: Vec<Chapter> = Vec::new();
    for line in include_str!("ids.txt").lines() {
        if let Some(title) = line.strip_prefix("## ") {
            chapters.push(Chapter { title, ids: Vec::new() });
        } else if let (Some((id, _)), Some(chapter)) = (line.split_once(" | "), chapters.last_mut()) {
            chapter.ids.push(id);
        }
    }
    chapters
}
