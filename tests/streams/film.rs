//! A film that a gateway plays into a room: pictures as x264 writes them, of which only the headers matter.

/// 640x360, constrained baseline.
const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1e, 0xac, 0xb2, 0x01, 0x40, 0x5f, 0xf2, 0xe0, 0x22, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00,
    0x03, 0x00, 0x64, 0x1e, 0x2c, 0x5c, 0x90,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xc3, 0xcb, 0x22, 0xc0];

/// Pictures a second, the first one a key frame.
pub(crate) const RATE: u32 = 25;

/// One second of it.
pub(crate) fn second() -> Vec<u8> {
    let mut film = Vec::new();
    for picture in 0..RATE {
        let nals: &[&[u8]] = if picture == 0 { &[SPS, PPS, &[0x65]] } else { &[&[0x41]] };
        for nal in nals {
            film.extend_from_slice(&[0, 0, 0, 1]);
            film.extend_from_slice(nal);
        }
        film.extend_from_slice(&[0x88; 1_200]);
    }
    film
}
