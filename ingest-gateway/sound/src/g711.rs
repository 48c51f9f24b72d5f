//! G.711 into samples (ITU-T G.711, tables 1 and 2), between -1 and 1.

/// Full scale of the samples that the tables give.
const FULL_SCALE: f32 = 32_768.0;

/// µ-law.
pub(crate) fn mu_law(code: u8) -> f32 {
    /// What is added before the logarithm is taken.
    const BIAS: i16 = 132;
    let code = !code;
    let magnitude = (((i16::from(code & 0x0f) << 3) + BIAS) << (code >> 4 & 7)) - BIAS;
    f32::from(if code & 0x80 == 0 { magnitude } else { -magnitude }) / FULL_SCALE
}

/// A-law.
pub(crate) fn a_law(code: u8) -> f32 {
    let code = code ^ 0x55;
    let step = (i16::from(code & 0x0f) << 4) + 8;
    let magnitude = match code >> 4 & 7 {
        0 => step,
        segment => (step + 0x100) << (segment - 1),
    };
    f32::from(if code & 0x80 == 0 { -magnitude } else { magnitude }) / FULL_SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_samples_of_the_tables() {
        let whole = |sample: f32| sample * FULL_SCALE;
        assert_eq!(
            [0x00, 0x80, 0xff, 0x7f, 0xef].map(|code| whole(mu_law(code))),
            [-32_124.0, 32_124.0, 0.0, 0.0, 132.0]
        );
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(|code| whole(a_law(code))), [8.0, -8.0, 32_256.0, -32_256.0]);
    }

    #[test]
    fn louder_codes_are_louder() {
        let rising = |samples: Vec<f32>| samples.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(rising((0x80..=0xff).rev().map(mu_law).collect()));
        assert!(rising((0x80..=0xff_u8).map(|n| a_law(n ^ 0x55)).collect()));
    }
}
