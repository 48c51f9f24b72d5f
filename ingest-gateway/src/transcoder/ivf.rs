//! How pictures go into a transcoder: IVF, which is a length and a time before each. A picture is whole where it ends,
//! so that none waits for the next one, and times are as exact as the clock that the header names.

use bytes::{BufMut, Bytes, BytesMut};
use velella_gateway_core::{Coded, TRANSCODER_HZ};
use velella_media::VideoCodec;

const HEADER_BYTES: u16 = 32;
const FRAME_HEADER_BYTES: usize = 12;

/// What the stream begins with. Sizes stand in the pictures.
pub(super) fn header(codec: VideoCodec) -> Bytes {
    let mut header = BytesMut::with_capacity(HEADER_BYTES.into());
    header.put_slice(b"DKIF");
    header.put_u16_le(0);
    header.put_u16_le(HEADER_BYTES);
    header.put_slice(match codec {
        VideoCodec::H264 => b"H264",
        VideoCodec::H265 => b"HEVC",
        VideoCodec::Vp8 => b"VP80",
        VideoCodec::Vp9 => b"VP90",
        VideoCodec::Av1 => b"AV01",
    });
    header.put_u32_le(0);
    header.put_u32_le(TRANSCODER_HZ);
    header.put_u32_le(1);
    header.put_u64_le(0);
    header.freeze()
}

/// What stands before a picture.
pub(super) fn frame_header(Coded { ticks, data }: &Coded) -> [u8; FRAME_HEADER_BYTES] {
    let mut header = [0; FRAME_HEADER_BYTES];
    let (length, time) = header.split_at_mut(size_of::<u32>());
    // A picture is no longer than `ACCESS_UNIT_BYTES_MAX`.
    length.copy_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    time.copy_from_slice(&ticks.to_le_bytes());
    header
}
