//! The init segment of one track (ISO/IEC 23000-19, 7.3.1).

use std::num::NonZeroU32;

use bytes::Bytes;
use shiguredo_mp4::boxes::{
    Brand, DinfBox, FtypBox, HdlrBox, MdhdBox, MdiaBox, MediaHeader, MinfBox, MoovBox, MvexBox, MvhdBox, SampleEntry,
    SmhdBox, StblBox, StcoBox, StscBox, StsdBox, StszBox, SttsBox, TkhdBox, TrakBox, TrexBox, VmhdBox,
};
use shiguredo_mp4::{Either, Encode as _, Error, FixedPointNumber, LanguageCode, Mp4FileTime, SampleFlags, Utf8String};

use crate::configuration::Resolution;

/// The only track of a file.
pub(crate) const TRACK_ID: u32 = 1;
/// Structural brands of CMAF; `cmf2` is the one in which composition offsets may be negative.
const BRANDS: [Brand; 4] = [Brand::ISO6, Brand::new(*b"cmf2"), Brand::new(*b"cmfc"), Brand::MP41];
/// Files say when they were made as the playlist or the sidecar does: not at all.
const UNTOLD: Mp4FileTime = Mp4FileTime::from_secs(0);

pub(crate) fn init_segment(
    entry: SampleEntry,
    timescale: NonZeroU32,
    resolution: Option<Resolution>,
) -> Result<Bytes, Error> {
    let ftyp = FtypBox { major_brand: Brand::ISO6, minor_version: 0, compatible_brands: BRANDS.to_vec() };
    let mut bytes = ftyp.encode_to_vec()?;
    bytes.extend(movie(track(entry, timescale, resolution), timescale).encode_to_vec()?);
    Ok(bytes.into())
}

fn movie(track: TrakBox, timescale: NonZeroU32) -> MoovBox {
    let defaults = TrexBox {
        track_id: TRACK_ID,
        default_sample_description_index: 1,
        default_sample_duration: 0,
        default_sample_size: 0,
        default_sample_flags: SampleFlags::empty(),
    };
    MoovBox {
        mvhd_box: MvhdBox {
            creation_time: UNTOLD,
            modification_time: UNTOLD,
            timescale,
            duration: 0,
            rate: MvhdBox::DEFAULT_RATE,
            volume: MvhdBox::DEFAULT_VOLUME,
            matrix: MvhdBox::DEFAULT_MATRIX,
            next_track_id: TRACK_ID + 1,
        },
        trak_boxes: vec![track],
        mvex_box: Some(MvexBox { mehd_box: None, trex_boxes: vec![defaults], unknown_boxes: Vec::new() }),
        unknown_boxes: Vec::new(),
    }
}

fn track(entry: SampleEntry, timescale: NonZeroU32, resolution: Option<Resolution>) -> TrakBox {
    let side = |pixels: u16| FixedPointNumber::new(i16::try_from(pixels).unwrap_or(i16::MAX), 0);
    let size = resolution.unwrap_or_default();
    let video = resolution.is_some();
    TrakBox {
        tkhd_box: TkhdBox {
            flag_track_enabled: true,
            flag_track_in_movie: true,
            flag_track_in_preview: false,
            flag_track_size_is_aspect_ratio: false,
            creation_time: UNTOLD,
            modification_time: UNTOLD,
            track_id: TRACK_ID,
            duration: 0,
            layer: TkhdBox::DEFAULT_LAYER,
            alternate_group: TkhdBox::DEFAULT_ALTERNATE_GROUP,
            volume: if video { TkhdBox::DEFAULT_VIDEO_VOLUME } else { TkhdBox::DEFAULT_AUDIO_VOLUME },
            matrix: TkhdBox::DEFAULT_MATRIX,
            width: side(size.width),
            height: side(size.height),
        },
        edts_box: None,
        mdia_box: media(entry, timescale, video),
        unknown_boxes: Vec::new(),
    }
}

fn media(entry: SampleEntry, timescale: NonZeroU32, video: bool) -> MdiaBox {
    let header = if video { MediaHeader::Vmhd(VmhdBox::default()) } else { MediaHeader::Smhd(SmhdBox::default()) };
    MdiaBox {
        mdhd_box: MdhdBox {
            creation_time: UNTOLD,
            modification_time: UNTOLD,
            timescale,
            duration: 0,
            language: LanguageCode::UNDEFINED,
        },
        hdlr_box: HdlrBox {
            handler_type: if video { HdlrBox::HANDLER_TYPE_VIDE } else { HdlrBox::HANDLER_TYPE_SOUN },
            name: Utf8String::EMPTY.into_null_terminated_bytes(),
        },
        minf_box: MinfBox {
            media_header: Some(header),
            dinf_box: DinfBox::LOCAL_FILE,
            stbl_box: no_samples(entry),
            unknown_boxes: Vec::new(),
        },
        unknown_boxes: Vec::new(),
    }
}

/// Samples are told by the fragments.
fn no_samples(entry: SampleEntry) -> StblBox {
    StblBox {
        stsd_box: StsdBox { entries: vec![entry] },
        stts_box: SttsBox { entries: Vec::new() },
        ctts_box: None,
        cslg_box: None,
        stsc_box: StscBox { entries: Vec::new() },
        stsz_box: StszBox::Variable { entry_sizes: Vec::new() },
        stco_or_co64_box: Either::A(StcoBox { chunk_offsets: Vec::new() }),
        stss_box: None,
        sdtp_box: None,
        unknown_boxes: Vec::new(),
    }
}
