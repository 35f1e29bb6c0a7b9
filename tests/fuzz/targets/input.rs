//! The fuzzer's bytes, taken from the front.

/// What is left of them. Reading behind the end gives zeros, so that every prefix of an input is an input.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(data: &'a [u8]) -> Input<'a> {
        Input(data)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// As many bytes as there are, up to `len`.
    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(len.min(self.0.len()));
        self.0 = left;
        taken
    }

    /// As many bytes as the next one says, or as there are.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let len = self.byte().into();
        self.take(len)
    }

    /// One of several.
    pub(super) fn choose<T: Copy>(&mut self, among: &[T]) -> T {
        among[usize::from(self.byte()) % among.len()]
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
