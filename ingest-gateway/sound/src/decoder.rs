//! Encoded sound into samples.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia_codec_aac::AacDecoder;
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};
use velella_media::{AacConfig, AudioFormat};

use crate::g711;

/// Largest AAC access unit that is taken: what the standard allows for two channels (ISO/IEC 14496-3, 4.5.3.1).
const AAC_BYTES_MAX: usize = 2 * 768;
/// Longest piece of G.711 that is taken: a second.
const G711_SECONDS_MAX: usize = 1;
/// AAC-LC, HE-AAC and HE-AAC with parametric stereo. The core of all three is AAC-LC.
const AAC_TYPES: [u8; 3] = [AAC_LC, 5, 29];
const AAC_LC: u8 = 2;

/// A decoder for one format.
pub(crate) struct Decoder {
    kind: Kind,
    channels: u8,
    sample_rate_hz: u32,
}

enum Kind {
    /// `None` after it panicked, until the next packet.
    Aac(Option<Box<AacDecoder>>, AacConfig),
    Pcmu,
    Pcma,
}

impl Decoder {
    /// `None` for what cannot be decoded.
    pub(crate) fn new(format: AudioFormat) -> Option<Self> {
        let (kind, channels, sample_rate_hz) = match format {
            AudioFormat::Aac(config) => {
                let decoder = aac_decoder(config)?;
                (Kind::Aac(Some(decoder), config), config.channels, config.sample_rate_hz)
            }
            AudioFormat::Pcmu { sample_rate_hz } => (Kind::Pcmu, 1, sample_rate_hz),
            AudioFormat::Pcma { sample_rate_hz } => (Kind::Pcma, 1, sample_rate_hz),
            AudioFormat::Opus { .. } => return None,
        };
        ((1..=2).contains(&channels) && (7_350..=96_000).contains(&sample_rate_hz)).then_some(Self {
            kind,
            channels,
            sample_rate_hz,
        })
    }

    pub(crate) fn channels(&self) -> u8 {
        self.channels
    }

    pub(crate) fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Samples of all channels in turn. A packet that cannot be decoded is silence of the same length.
    pub(crate) fn decode(&mut self, packet: &[u8]) -> Result<Vec<f32>, Lost> {
        let most = G711_SECONDS_MAX * usize::try_from(self.sample_rate_hz).unwrap_or(0);
        match &mut self.kind {
            Kind::Pcmu if packet.len() <= most => Ok(packet.iter().copied().map(g711::mu_law).collect()),
            Kind::Pcma if packet.len() <= most => Ok(packet.iter().copied().map(g711::a_law).collect()),
            Kind::Pcmu | Kind::Pcma => Err(Lost { silence: vec![], panicked: false }),
            Kind::Aac(decoder, config) => decode_aac(decoder, *config, packet),
        }
    }
}

/// A packet that cannot be decoded.
#[derive(Debug)]
pub(crate) struct Lost {
    /// As long as it would have been.
    pub(crate) silence: Vec<f32>,
    pub(crate) panicked: bool,
}

fn aac_decoder(config: AacConfig) -> Option<Box<AacDecoder>> {
    if !AAC_TYPES.contains(&config.object_type) {
        return None;
    }
    let core = AacConfig { object_type: AAC_LC, ..config };
    let mut parameters = AudioCodecParameters::new();
    parameters.for_codec(CODEC_ID_AAC).with_extra_data(core.to_bytes().into_boxed_slice());
    AacDecoder::try_new(&parameters, &AudioDecoderOptions::default()).ok().map(Box::new)
}

fn decode_aac(decoder: &mut Option<Box<AacDecoder>>, config: AacConfig, packet: &[u8]) -> Result<Vec<f32>, Lost> {
    let samples = usize::try_from(AacConfig::FRAME_SAMPLES).unwrap_or(0) * usize::from(config.channels);
    let lost = |panicked| Lost { silence: vec![0.0; samples], panicked };
    // Taken out, so that what a panic leaves behind is not used again.
    let Some(mut taken) = decoder.take().or_else(|| aac_decoder(config)) else { return Err(lost(false)) };
    if !(1..=AAC_BYTES_MAX).contains(&packet.len()) {
        *decoder = Some(taken);
        return Err(lost(false));
    }
    let decoded = catch_unwind(AssertUnwindSafe(move || {
        let mut decoded = Vec::with_capacity(samples);
        let whole = taken
            .decode_ref(&PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, packet))
            .map(|sound| sound.copy_to_vec_interleaved(&mut decoded));
        (taken, whole.is_ok().then_some(decoded))
    }));
    let Ok((returned, decoded)) = decoded else { return Err(lost(true)) };
    *decoder = Some(returned);
    decoded.filter(|decoded| decoded.len() == samples).ok_or_else(|| lost(false))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEREO: AacConfig = AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 2 };

    #[test]
    fn what_cannot_be_decoded_is_silence_of_its_length() {
        let mut decoder = Decoder::new(AudioFormat::Aac(STEREO)).unwrap();
        for packet in [&[][..], &[0x20; 20], &[0x20; AAC_BYTES_MAX + 1]] {
            let silence = decoder.decode(packet).err().map(|lost| lost.silence);
            assert!(silence.is_some_and(|silence| silence == vec![0.0; 2 * 1_024]), "{} bytes", packet.len());
        }
        let mut decoder = Decoder::new(AudioFormat::Pcmu { sample_rate_hz: 8_000 }).unwrap();
        assert_eq!(decoder.decode(&[0xff; 160]).unwrap(), vec![0.0; 160]);
        assert!(decoder.decode(&[0xff; 8_001]).is_err());
    }

    #[test]
    fn formats_that_nobody_decodes_have_no_decoder() {
        for config in [AacConfig { object_type: 1, ..STEREO }, AacConfig { channels: 6, ..STEREO }] {
            assert!(Decoder::new(AudioFormat::Aac(config)).is_none(), "{config:?}");
        }
        assert!(Decoder::new(AudioFormat::Pcma { sample_rate_hz: 0 }).is_none());
        assert!(Decoder::new(AudioFormat::Aac(AacConfig { object_type: 5, ..STEREO })).is_some());
    }

    proptest! {
        #[test]
        fn no_packet_ends_more_than_itself(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..20)) {
            let mut decoder = Decoder::new(AudioFormat::Aac(STEREO)).unwrap();
            for packet in packets {
                let samples = decoder.decode(&packet).unwrap_or_else(|lost| lost.silence);
                prop_assert_eq!(samples.len(), 2 * 1_024);
            }
        }
    }
}
