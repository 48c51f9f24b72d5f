//! An MP4 file, taken apart (ISO/IEC 14496-12): its first track of H.264 or H.265, and its first of AAC or Opus.
//!
//! Edit lists are not followed: sound is late by what its encoder put before it, some 20 ms.

use std::time::Duration;

use bytes::Bytes;
use shiguredo_mp4::TrackKind;
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::demux::{DemuxError, Mp4FileDemuxer, Sample};
use velella_gateway_core::Published;
use velella_media::{
    AacConfig, Assembled, Assembler, AudioFormat, Frame, MediaTime, Picture, Sound, VideoCodec, nals_of_lengths,
};

use super::{End, Reel};

/// More than any file of the largest size that is read has.
const SAMPLES_MAX: usize = 1_000_000;

/// A shorter file would be begun again and again without a pause.
const LENGTH_MIN: Duration = Duration::from_millis(100);

/// A file that claims to be longer is broken.
const LENGTH_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes it apart.
pub(super) fn reel(content: &[u8]) -> Result<Reel, End> {
    let mut demuxer = Mp4FileDemuxer::new();
    while let Some(required) = demuxer.required_input() {
        // No more than it asks for: it calls itself for every box that it is given.
        let part = part(content, required.position, required.size).ok_or_else(|| broken("it is cut short"))?;
        demuxer.handle_input(required.to_input(part));
    }
    let mut cutter = Cutter { content, video: None, audio: None, latest: None, frames: Vec::new(), end: MediaTime(0) };
    for _ in 0..SAMPLES_MAX {
        match demuxer.next_sample().map_err(|error| unreadable(&error))? {
            Some(sample) => cutter.take(&sample)?,
            None => return cutter.reel(),
        }
    }
    Err(broken("it has too many samples"))
}

/// What is on the way from the file to the reel.
struct Cutter<'a> {
    content: &'a [u8],
    video: Option<Video>,
    audio: Option<Audio>,
    /// Of the pictures so far.
    latest: Option<MediaTime>,
    frames: Vec<Frame>,
    end: MediaTime,
}

struct Video {
    track: u32,
    assembler: Assembler,
    /// Of the lengths before NAL units.
    length_bytes: usize,
}

struct Audio {
    track: u32,
    format: AudioFormat,
}

impl Cutter<'_> {
    fn take(&mut self, sample: &Sample<'_>) -> Result<(), End> {
        let data = part(self.content, sample.data_offset, Some(sample.data_size));
        let data = data.ok_or_else(|| broken("a sample lies outside of it"))?;
        let timescale = sample.track.timescale.get();
        let decoded = i64::try_from(sample.timestamp).unwrap_or(i64::MAX);
        let shown = decoded.saturating_add(sample.composition_time_offset.unwrap_or(0));
        let time = MediaTime::from_ticks(shown, timescale);
        let taken = match sample.track.kind {
            TrackKind::Video => self.take_picture(sample, time, data)?,
            TrackKind::Audio => self.take_sound(sample, time, data)?,
            TrackKind::Subtitle => false,
        };
        if taken {
            let end = MediaTime::from_ticks(shown.saturating_add(sample.duration.into()), timescale);
            self.end = self.end.max(end);
        }
        Ok(())
    }

    fn take_picture(&mut self, sample: &Sample<'_>, time: MediaTime, data: &[u8]) -> Result<bool, End> {
        let track = sample.track.track_id;
        if let Some(entry) = sample.sample_entry.filter(|_| self.video.as_ref().is_none_or(|v| v.track == track)) {
            let (codec, length_bytes, sets) = parameter_sets(entry)?;
            let mut assembler = Assembler::new(codec);
            assembler.remember(sets.into_iter());
            self.video = Some(Video { track, assembler, length_bytes });
        }
        let Some(video) = self.video.as_mut().filter(|video| video.track == track) else { return Ok(false) };
        let assembled = video.assembler.assemble(nals_of_lengths(data, video.length_bytes));
        let Assembled::Picture { keyframe, reordered, data } = assembled else { return Ok(false) };
        let reordered = reordered || self.latest.is_some_and(|latest| time < latest);
        self.latest = self.latest.max(Some(time));
        let codec = video.assembler.codec();
        self.frames.push(Frame::Video(Picture { codec, time, keyframe, reordered, data }));
        Ok(true)
    }

    fn take_sound(&mut self, sample: &Sample<'_>, time: MediaTime, data: &[u8]) -> Result<bool, End> {
        let track = sample.track.track_id;
        if let Some(entry) = sample.sample_entry.filter(|_| self.audio.as_ref().is_none_or(|a| a.track == track)) {
            self.audio = Some(Audio { track, format: sound_format(entry)? });
        }
        let Some(audio) = self.audio.as_ref().filter(|audio| audio.track == track) else { return Ok(false) };
        let (format, data) = (audio.format, Bytes::copy_from_slice(data));
        self.frames.push(Frame::Audio(Sound { format, time, data }));
        Ok(true)
    }

    fn reel(self) -> Result<Reel, End> {
        if self.frames.is_empty() {
            return Err(broken("it holds neither pictures nor sound, or in fragments"));
        }
        let length = self.end.since(MediaTime(0)).unwrap_or_default();
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
            return Err(broken("its times make no sense"));
        }
        let video = self.video.map(|video| video.assembler.codec());
        let published = Published { video, sub: false, audio: self.audio.is_some() };
        Ok(Reel { published, frames: self.frames, length })
    }
}

/// The codec, how long the lengths before NAL units are, and the sets that stand in the header.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not played here may be anything")]
fn parameter_sets(entry: &SampleEntry) -> Result<(VideoCodec, usize, Vec<&[u8]>), End> {
    let h265 = |hvcc: &'_ shiguredo_mp4::boxes::HvccBox| usize::from(hvcc.length_size_minus_one.get()) + 1;
    let (codec, length_bytes, sets): (_, _, Vec<&Vec<u8>>) = match entry {
        SampleEntry::Avc1(avc1) => {
            let avcc = &avc1.avcc_box;
            let sets = avcc.sps_list.iter().chain(&avcc.pps_list).collect();
            (VideoCodec::H264, usize::from(avcc.length_size_minus_one.get()) + 1, sets)
        }
        SampleEntry::Hvc1(hvc1) => {
            let sets = hvc1.hvcc_box.nalu_arrays.iter().flat_map(|array| &array.nalus).collect();
            (VideoCodec::H265, h265(&hvc1.hvcc_box), sets)
        }
        SampleEntry::Hev1(hev1) => {
            let sets = hev1.hvcc_box.nalu_arrays.iter().flat_map(|array| &array.nalus).collect();
            (VideoCodec::H265, h265(&hev1.hvcc_box), sets)
        }
        _ => return Err(unsupported("Its pictures are neither H.264 nor H.265.")),
    };
    Ok((codec, length_bytes, sets.into_iter().map(Vec::as_slice).collect()))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is not played here may be anything")]
fn sound_format(entry: &SampleEntry) -> Result<AudioFormat, End> {
    match entry {
        SampleEntry::Opus(opus) => Ok(AudioFormat::Opus { channels: opus.dops_box.output_channel_count.clamp(1, 2) }),
        SampleEntry::Mp4a(mp4a) => {
            let config = mp4a.esds_box.es.dec_config_descr.dec_specific_info.as_ref();
            let config = config.and_then(|config| AacConfig::parse(&config.payload).ok());
            config.map(AudioFormat::Aac).ok_or_else(|| unsupported("Its sound is no AAC of one or two channels."))
        }
        _ => Err(unsupported("Its sound is neither AAC nor Opus.")),
    }
}

fn part(content: &[u8], position: u64, bytes: Option<usize>) -> Option<&[u8]> {
    let behind = content.get(usize::try_from(position).ok()?..)?;
    bytes.map_or(Some(behind), |bytes| behind.get(..bytes))
}

fn unreadable(error: &DemuxError) -> End {
    tracing::info!(%error, "an MP4 file cannot be read");
    broken("its boxes cannot be read")
}

fn broken(why: &str) -> End {
    End::for_good("file_broken", format!("The file is no MP4 that can be played: {why}."))
}

fn unsupported(sentence: &str) -> End {
    End::for_good("codec_unsupported", format!("The file cannot be played. {sentence}"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const PICTURES_AND_TONE: &str = "-f lavfi -i testsrc2=size=320x240:rate=25 -f lavfi -i sine=sample_rate=48000 -t 2";
    const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25";

    #[test]
    fn pictures_and_sound_come_in_their_order_and_times() {
        let reel = played("aac", &format!("{H264} -tune zerolatency -c:a aac"));
        assert_eq!(reel.published, Published { video: Some(VideoCodec::H264), sub: false, audio: true });
        assert!((1.95..2.1).contains(&reel.length.as_secs_f64()), "{:?}", reel.length);
        let pictures = pictures(&reel);
        assert_eq!(pictures.len(), 50);
        assert!(
            pictures.iter().enumerate().all(|(n, picture)| picture.keyframe == (n % 25 == 0) && !picture.reordered)
        );
        assert!(pictures.windows(2).all(|pair| pair[1].time.since(pair[0].time) == Some(Duration::from_millis(40))));
        // Parameter sets, which stand in the header of the file, are before each key frame.
        assert_eq!(pictures[25].data[4] & 0x1f, 7);
        let times: Vec<_> = reel.frames.iter().map(Frame::time).collect();
        assert!(times.is_sorted() && reel.frames.len() > 50 + 90, "{} frames", reel.frames.len());
        let aac = AudioFormat::Aac(AacConfig { object_type: 2, sample_rate_hz: 48_000, channels: 1 });
        assert!(reel.frames.iter().any(|frame| matches!(frame, Frame::Audio(sound) if sound.format == aac)));
    }

    #[test]
    fn h265_and_opus_are_read_too() {
        let reel =
            played("opus", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p -c:a libopus");
        assert_eq!(reel.published, Published { video: Some(VideoCodec::H265), sub: false, audio: true });
        let opus = AudioFormat::Opus { channels: 1 };
        assert!(reel.frames.iter().any(|frame| matches!(frame, Frame::Audio(sound) if sound.format == opus)));
    }

    #[test]
    fn b_frames_are_told() {
        let reel = played("bframes", &format!("{H264} -bf 2 -an"));
        assert!(pictures(&reel).iter().any(|picture| picture.reordered));
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        let fragmented = made("fragments", &format!("{H264} -an -movflags frag_keyframe+empty_moov"));
        let vp9 = made("vp9", "-c:v libvpx-vp9 -deadline realtime -an");
        let whole = made("whole", &format!("{H264} -c:a aac"));
        for (content, code) in [
            (&fragmented[..], "file_broken"),
            (&vp9, "codec_unsupported"),
            (&whole[..whole.len() / 2], "file_broken"),
            (b"", "file_broken"),
            (&[0; 4096], "file_broken"),
        ] {
            let Err(end) = reel(content) else { panic!("{code}") };
            assert_eq!((end.trouble.code.as_str(), end.retry), (code, false), "{}", end.trouble.sentence);
        }
        // Boxes without number, and nothing in them.
        let empty = [&[0, 0, 0, 16][..], b"ftypisom\0\0\0\0", &b"\0\0\0\x08free".repeat(1_000_000)].concat();
        assert!(reel(&empty).is_err());
    }

    fn pictures(reel: &Reel) -> Vec<&Picture> {
        reel.frames
            .iter()
            .filter_map(|frame| if let Frame::Video(picture) = frame { Some(picture) } else { None })
            .collect()
    }

    fn played(name: &str, encoded: &str) -> Reel {
        reel(&made(name, encoded)).unwrap_or_else(|end| panic!("{end:?}"))
    }

    /// Two seconds of it by ffmpeg.
    fn made(name: &str, encoded: &str) -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("velella-{name}-{}.mp4", std::process::id()));
        let arguments = format!("-v error -nostdin -y {PICTURES_AND_TONE} {encoded}");
        let made = Command::new("ffmpeg").args(arguments.split_whitespace()).arg(&path).status().unwrap();
        assert!(made.success());
        let content = std::fs::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        content
    }
}
