//! How targets take their input apart. Whatever comes is some input.

/// Most pieces of a stream, so that a run stays short.
const PIECES_MAX: usize = 500;

/// How long the pieces are in which a stream comes, and the stream.
pub(crate) fn pieces(input: &[u8]) -> (usize, &[u8]) {
    let Some((length, stream)) = input.split_first() else { return (1, input) };
    (usize::from(*length).max(stream.len() / PIECES_MAX) + 1, stream)
}

/// Records one behind the other: a head of `N` bytes, a length in two bytes, and as much of a body as there is.
pub(crate) fn records<const N: usize>(mut input: &[u8]) -> impl Iterator<Item = (&[u8; N], &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = input.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (body, behind) = rest.split_at(length);
        input = behind;
        Some((head, body))
    })
}
