//! The only caller of the system's randomness.

/// 32 bytes for a seed or a key.
///
/// # Errors
/// The system has no randomness to give.
#[allow(clippy::disallowed_methods, reason = "this is the home of that call")]
pub fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}
