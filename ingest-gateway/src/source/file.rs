//! A file that is played over and over: H.264 as it is (Annex-B), Opus in Ogg, or MP4.

mod mp4;

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use velella_gateway_core::Published;
use velella_media::{
    Assembled, Assembler, AudioFormat, Frame, MediaTime, Nal, NalRole, Picture, Sound, VideoCodec, nals_of_annexb,
    opus_duration,
};
use velella_model::component::FileSpec;

use super::{End, Means, Outlet};

/// Files are held in memory while they are played.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a file without a frame rate of its own is played at.
const FRAMERATE_DEFAULT: u32 = 30;

/// Packets of Opus tell their own duration; one that does not is taken for this.
const OPUS_PACKET: Duration = Duration::from_millis(20);

/// Plays it until nobody listens.
pub(super) async fn play(spec: FileSpec, means: Means, outlet: Outlet) -> End {
    let read = read(&spec, &means).await.and_then(|(path, content)| match extension(&path) {
        Some("h264") => pictures(&content, spec.framerate.unwrap_or(FRAMERATE_DEFAULT)),
        Some("ogg") => sounds(&content),
        Some("mp4") => mp4::reel(&content),
        Some(_) | None => Err(End::for_good("file_unsupported", "Only .h264, .ogg and .mp4 files can be played.")),
    });
    match read {
        Ok(reel) => reel.play(outlet).await.err().unwrap_or_else(End::closed),
        Err(end) => end,
    }
}

async fn read(spec: &FileSpec, means: &Means) -> Result<(PathBuf, Vec<u8>), End> {
    let Some(files) = &means.files else {
        return Err(End::for_good("files_disabled", "This gateway has no directory to play files from."));
    };
    let relative = Path::new(&spec.path);
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(End::for_good("file_outside", "The path leads out of the directory that files are played from."));
    }
    let missing = |error: std::io::Error| {
        let why = if error.kind() == std::io::ErrorKind::NotFound { "does not exist" } else { "cannot be read" };
        End::for_good("file_not_found", format!("The file {} {why} on this gateway.", spec.path))
    };
    // A link inside may lead anywhere.
    let root = tokio::fs::canonicalize(files.as_path()).await.map_err(missing)?;
    let path = tokio::fs::canonicalize(root.join(relative)).await.map_err(missing)?;
    if !path.starts_with(&root) {
        return Err(End::for_good("file_outside", "The path leads out of the directory that files are played from."));
    }
    let bytes = tokio::fs::metadata(&path).await.map_err(missing)?.len();
    if bytes > FILE_BYTES_MAX {
        let sentence = format!("The file has {bytes} bytes; at most {FILE_BYTES_MAX} can be played.");
        return Err(End::for_good("file_too_large", sentence));
    }
    let content = tokio::fs::read(&path).await.map_err(missing)?;
    Ok((path, content))
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// A file, taken apart.
struct Reel {
    published: Published,
    /// In the order in which they are given, with their times from its beginning.
    frames: Vec<Frame>,
    /// When it begins again.
    length: Duration,
}

impl Reel {
    /// Of frames that follow each other, each with how long it lasts.
    fn of(published: Published, frames: Vec<(Frame, Duration)>) -> Self {
        let mut length = Duration::ZERO;
        let in_turn = |(frame, duration)| {
            let frame = at(frame, MediaTime(0).later(length));
            length += duration;
            frame
        };
        let frames = frames.into_iter().map(in_turn).collect();
        Self { published, frames, length }
    }

    async fn play(self, mut outlet: Outlet) -> Result<(), End> {
        outlet.describe(self.published).await?;
        let (started, mut begun) = (Instant::now(), Duration::ZERO);
        loop {
            for frame in &self.frames {
                let due = begun + frame.time().since(MediaTime(0)).unwrap_or_default();
                tokio::time::sleep_until(started + due).await;
                outlet.give(at(frame.clone(), frame.time().later(begun))).await?;
            }
            begun += self.length;
        }
    }
}

fn at(frame: Frame, time: MediaTime) -> Frame {
    match frame {
        Frame::Video(picture) => Frame::Video(Picture { time, ..picture }),
        Frame::Audio(sound) => Frame::Audio(Sound { time, ..sound }),
    }
}

fn pictures(content: &[u8], framerate: u32) -> Result<Reel, End> {
    let codec = VideoCodec::H264;
    let mut assembler = Assembler::new(codec);
    let (mut frames, mut is_reordered) = (Vec::new(), false);
    let mut unit: Vec<&[u8]> = Vec::new();
    let mut finish = |unit: &mut Vec<&[u8]>| {
        if let Assembled::Picture { keyframe, reordered, data } = assembler.assemble(unit.iter().copied()) {
            is_reordered |= reordered;
            let picture = Picture { codec, time: MediaTime(0), keyframe, reordered, data };
            frames.push((Frame::Video(picture), Duration::from_secs(1) / framerate.max(1)));
        }
        unit.clear();
    };
    let mut has_slice = false;
    for bytes in nals_of_annexb(content) {
        let begins = match (Nal { codec, bytes }).role() {
            NalRole::Slice(slice) => slice.first && has_slice,
            NalRole::SequenceParameters | NalRole::PictureParameters | NalRole::Delimiter => has_slice,
            NalRole::VideoParameters | NalRole::Other => false,
        };
        if begins {
            finish(&mut unit);
            has_slice = false;
        }
        has_slice |= matches!((Nal { codec, bytes }).role(), NalRole::Slice(_));
        unit.push(bytes);
    }
    finish(&mut unit);
    if frames.is_empty() {
        return Err(End::for_good("file_broken", "The file holds no H.264 picture."));
    }
    if is_reordered {
        // Nor could a transcoder put them in order.
        let sentence = "The file holds B-frames, and nothing says when its pictures are to be seen; make it without.";
        return Err(End::for_good("b_frames", sentence));
    }
    Ok(Reel::of(Published { video: Some(codec), sub: false, audio: false }, frames))
}

fn sounds(content: &[u8]) -> Result<Reel, End> {
    let broken = |_| End::for_good("file_broken", "The file is no Opus in Ogg.");
    let mut reader = ogg::PacketReader::new(std::io::Cursor::new(content));
    let head = reader.read_packet_expected().map_err(broken)?;
    if !head.data.starts_with(b"OpusHead") {
        return Err(End::for_good("file_broken", "The file is no Opus in Ogg."));
    }
    let mut frames = Vec::new();
    while let Some(packet) = reader.read_packet().map_err(broken)? {
        if packet.data.starts_with(b"OpusTags") {
            continue;
        }
        let duration = opus_duration(&packet.data).unwrap_or(OPUS_PACKET);
        let format = AudioFormat::Opus { channels: 2 };
        frames.push((Frame::Audio(Sound { format, time: MediaTime(0), data: Bytes::from(packet.data) }), duration));
    }
    if frames.is_empty() {
        return Err(End::for_good("file_broken", "The file holds no sound."));
    }
    Ok(Reel::of(Published { video: None, sub: false, audio: true }, frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS_PPS: &[u8] = &[0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 0xce];

    #[test]
    fn a_stream_is_taken_apart_into_pictures() {
        let key = [0, 0, 0, 1, 0x65, 0x88, 0x80];
        let (delta, second_slice) = ([0, 0, 0, 1, 0x41, 0xe0], [0, 0, 1, 0x41, 0x40]);
        let content = [SPS_PPS, &key, &delta, &second_slice, &delta].concat();
        let reel = pictures(&content, 25).unwrap_or_else(|end| panic!("{end:?}"));
        let keys: Vec<bool> = reel.frames.iter().map(|f| matches!(f, Frame::Video(p) if p.keyframe)).collect();
        assert_eq!(keys, [true, false, false]);
        assert_eq!(reel.frames[1].time(), MediaTime(40_000_000));
        assert_eq!(reel.length, Duration::from_millis(120));
    }

    #[tokio::test]
    async fn nothing_outside_the_directory_is_read() {
        let dir = std::env::temp_dir().join(format!("velella-files-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("files")).unwrap();
        std::fs::write(dir.join("secret.h264"), SPS_PPS).unwrap();
        std::os::unix::fs::symlink(dir.join("secret.h264"), dir.join("files/link.h264")).unwrap();
        let means = Means { files: Some(dir.join("files").into()), ..Means::default() };
        for (path, code) in [
            ("../secret.h264", "file_outside"),
            ("/etc/passwd", "file_outside"),
            ("link.h264", "file_outside"),
            ("none.h264", "file_not_found"),
        ] {
            let end = read(&FileSpec { path: path.into(), framerate: None }, &means).await.unwrap_err();
            assert_eq!((end.trouble.code.as_str(), end.retry), (code, false), "{path}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
