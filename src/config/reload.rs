//! A configuration that is read again while the server runs: what changed against the one in force, what of that holds at
//! once, and what waits for a restart. Options say themselves which of the two it is (`reloadable`).

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use super::error::Place;
use super::options::{self, Category, Definition, Kind, Preset};
use super::raw::{Raw, Setting, Value};
use super::resolve::resolve;
use super::{Config, Loaded, Problems, Profile};

/// Values of a list that are shown.
const SHOWN_MAX: usize = 8;

/// What is in force, option by option. Of secrets only a keyed hash is kept, which tells that one changed.
#[derive(Debug)]
pub struct InForce {
    profile: Profile,
    keys: RandomState,
    values: BTreeMap<&'static str, Written>,
    /// What was written of options that stay as they are.
    lasting: Vec<Setting>,
    certified: bool,
}

/// An option whose value is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The option.
    pub option: &'static str,
    /// Its value before and after; none where that is a secret.
    pub values: Option<(String, String)>,
}

/// What comes of a configuration that was read again.
#[derive(Debug)]
pub struct Update {
    /// The configuration to be served with from now on: the new one, with the former values of what waits.
    pub config: Config,
    /// What changed with it.
    pub changed: Vec<Change>,
    /// What changed and takes effect with a restart.
    pub waiting: Vec<Change>,
    /// What is in force once that configuration is.
    pub in_force: InForce,
}

/// The value of an option, or all values of a list, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Written {
    Open(Vec<String>),
    Secret(Vec<u64>),
}

impl InForce {
    /// What a configuration puts in force when the server starts with it.
    pub fn new(loaded: &Loaded) -> InForce {
        let keys = RandomState::new();
        let profile = loaded.config.profile;
        InForce {
            profile,
            values: values(profile, &loaded.written, &keys),
            keys,
            lasting: loaded.written.iter().filter(|setting| may_last(setting.option)).cloned().collect(),
            certified: loaded.config.tls.is_some(),
        }
    }

    /// What a configuration that was read again changes.
    ///
    /// # Errors
    /// It contradicts what stays as it is until a restart.
    pub fn update(&self, loaded: &Loaded) -> Result<Update, Problems> {
        // A certificate that comes or goes has listeners come or go.
        let certificate_lasts = loaded.config.tls.is_some() != self.certified;
        let lasts = |option: &Definition| !option.reloadable || (certificate_lasts && may_last(option));
        let held = self.lasting.iter().filter(|setting| lasts(setting.option));
        let fresh = loaded.written.iter().filter(|setting| !lasts(setting.option));
        let settings: Vec<&Setting> = fresh.chain(held).collect();
        let (raw, refused) = Raw::new(self.profile, settings.iter().copied());
        let (config, found) = resolve(&raw);
        let problems = [refused, found.problems].concat();
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let new = values(self.profile, &loaded.written, &self.keys);
        let mut in_force = InForce {
            profile: self.profile,
            keys: self.keys.clone(),
            values: self.values.clone(),
            lasting: settings.into_iter().filter(|setting| may_last(setting.option)).cloned().collect(),
            certified: self.certified,
        };
        let (mut changed, mut waiting) = (Vec::new(), self.profile_change(loaded.config.profile));
        for option in options::all().filter(|option| has_effect(option)) {
            let (before, after) = (&self.values[option.name], &new[option.name]);
            match before == after {
                true => {}
                false if lasts(option) => waiting.push(Change::of(option, before, after)),
                false => {
                    changed.push(Change::of(option, before, after));
                    in_force.values.insert(option.name, after.clone());
                }
            }
        }
        Ok(Update { config, changed, waiting, in_force })
    }

    /// Every default follows from the profile.
    fn profile_change(&self, profile: Profile) -> Vec<Change> {
        let values = || Some((self.profile.name().to_owned(), profile.name().to_owned()));
        (profile != self.profile).then(|| Change { option: "profile", values: values() }).into_iter().collect()
    }
}

impl Change {
    fn of(option: &Definition, before: &Written, after: &Written) -> Change {
        let values = match (before, after) {
            (Written::Open(before), Written::Open(after)) => Some((shown(before), shown(after))),
            _ => None,
        };
        Change { option: option.name, values }
    }
}

/// Whether what was written of an option may have to be kept.
fn may_last(option: &Definition) -> bool {
    !option.reloadable || option.category == Category::Tls
}

/// The profile is looked at by itself; what has no effect cannot change it.
fn has_effect(option: &Definition) -> bool {
    option.category != Category::Later && option.name != "profile"
}

fn shown(values: &[String]) -> String {
    let few = values.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if values.len() > SHOWN_MAX { format!("{few}, ... ({} in all)", values.len()) } else { few }
}

/// What every option comes to.
fn values(profile: Profile, written: &[Setting], keys: &RandomState) -> BTreeMap<&'static str, Written> {
    let value_of = |option: &'static Definition| {
        let mut texts: Vec<String> = written.iter().filter(|setting| setting.option == option).map(canonical).collect();
        if !option.repeatable {
            texts.drain(..texts.len().saturating_sub(1));
        }
        match (texts.is_empty(), option.default_in(profile)) {
            (false, _) => {}
            (true, Preset::Value(text)) => {
                texts =
                    vec![canonical(&Setting { option, value: Value::Untyped(text.to_owned()), place: Place::Unset })];
            }
            (true, Preset::Described(text)) => texts = vec![text.to_owned()],
        }
        match option.secret {
            true => Written::Secret(
                texts.into_iter().map(|text| keys.hash_one(zeroize::Zeroizing::new(text).as_str())).collect(),
            ),
            false => Written::Open(texts),
        }
    };
    options::all().map(|option| (option.name, value_of(option))).collect()
}

/// A value in one spelling, whoever wrote it: `true` for coturn's `yes`, and for an option that stands alone.
fn canonical(setting: &Setting) -> String {
    let text = match setting.option.kind {
        Kind::Switch => setting.switch().map(|on| on.to_string()),
        Kind::Integer { .. } => setting.integer::<i64>().map(|number| number.to_string()),
        Kind::Text(_) | Kind::Word(_) => setting.text().map(ToOwned::to_owned),
    };
    // Values were judged when they were loaded.
    text.unwrap_or_default()
}
