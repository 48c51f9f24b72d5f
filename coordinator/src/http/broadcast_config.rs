//! The options of a component `hls`: how its room is broadcast.

use std::time::Duration;

use serde_json::Value;
use velella_model::component::HlsSpec;
use velella_model::record::Subscriptions;
use velella_model::wire::command::SubscribeMode;

use crate::http::body::{boolean, expected, positive, unexpected};
use crate::http::failure::Failure;
use crate::http::peer_config::subscribe_mode;

const TARGET_DURATION_S_DEFAULT: u8 = 4;
const PART_DURATION_MS_DEFAULT: u16 = 500;

/// Longest and shortest as packagers take them (`velella_hls::Settings::check`).
const TARGET_DURATION_S_MAX: u8 = 60;
const PART_DURATION_MS_MIN: u16 = 100;

/// A broadcast as it is asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct BroadcastWish {
    pub(crate) spec: HlsSpec,
    /// Nobody yet in manual mode, everybody otherwise.
    pub(crate) subscriptions: Option<Subscriptions>,
}

pub(crate) fn read<'a>(options: impl Iterator<Item = (&'a str, &'a Value)>) -> Result<BroadcastWish, Failure> {
    let mut spec = HlsSpec {
        low_latency: false,
        target_duration_s: TARGET_DURATION_S_DEFAULT,
        part_target_ms: PART_DURATION_MS_DEFAULT,
        window_s: None,
        persistent: false,
    };
    let (mut mode, mut part) = (SubscribeMode::Auto, None);
    for (key, value) in options {
        match key {
            "lowLatency" => spec.low_latency = boolean(key, value)?,
            "targetWindowDuration" => spec.window_s = Some(positive(key, value)?),
            "targetDuration" => spec.target_duration_s = target_duration_s(value)?,
            "partDuration" => part = Some(value),
            "persistent" => spec.persistent = boolean(key, value)?,
            "subscribeMode" => mode = subscribe_mode(Some(value))?,
            "s3" => {
                let errors = "Broadcasts are not uploaded by this server: leave s3 out";
                return Err(Failure::component_disabled(errors.into()));
            }
            _ => return Err(unexpected(key)),
        }
    }
    if let Some(value) = part {
        spec.part_target_ms = part_duration_ms(value, spec.target_duration_s)?;
    }
    let subscriptions = match mode {
        SubscribeMode::Auto => None,
        SubscribeMode::Manual => Some(Subscriptions::default()),
    };
    Ok(BroadcastWish { spec, subscriptions })
}

fn target_duration_s(value: &Value) -> Result<u8, Failure> {
    let seconds = value.as_u64().and_then(|seconds| u8::try_from(seconds).ok());
    let what = format!("targetDuration to be a whole number of seconds from 1 to {TARGET_DURATION_S_MAX}");
    seconds.filter(|seconds| (1..=TARGET_DURATION_S_MAX).contains(seconds)).ok_or_else(|| expected(&what, value))
}

/// At most half a segment.
fn part_duration_ms(value: &Value, target_duration_s: u8) -> Result<u16, Failure> {
    let most = Duration::from_secs(target_duration_s.into()) / 2;
    let least = Duration::from_millis(PART_DURATION_MS_MIN.into());
    let duration = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let legal =
        |duration: &Duration| (least..=most).contains(duration) && duration.subsec_nanos().is_multiple_of(1_000_000);
    let ms = duration.filter(legal).and_then(|duration| u16::try_from(duration.as_millis()).ok());
    let (least, most) = (least.as_secs_f64(), most.as_secs_f64());
    let what = format!("partDuration to be seconds from {least} to {most}, half the targetDuration, in milliseconds");
    ms.ok_or_else(|| expected(&what, value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn without_options_it_is_as_compatible_as_can_be() {
        let BroadcastWish { spec, subscriptions } = of(&json!({})).unwrap();
        assert_eq!((spec.low_latency, spec.persistent, spec.window_s), (false, false, None));
        assert_eq!((spec.target_duration_s, spec.part_target_ms, subscriptions), (4, 500, None));
    }

    #[test]
    fn everything_can_be_chosen() {
        let options = json!({"lowLatency": true, "targetWindowDuration": 60, "targetDuration": 2, "partDuration": 0.333,
            "persistent": true, "subscribeMode": "manual"});
        let BroadcastWish { spec, subscriptions } = of(&options).unwrap();
        assert_eq!((spec.low_latency, spec.persistent, spec.window_s), (true, true, Some(60)));
        assert_eq!((spec.target_duration_s, spec.part_target_ms), (2, 333));
        assert_eq!(subscriptions, Some(Subscriptions::default()));
        assert_eq!(of(&json!({"partDuration": 30, "targetDuration": 60})).unwrap().spec.part_target_ms, 30_000);
    }

    #[test]
    fn what_makes_no_legal_playlist_is_refused() {
        let target = "Expected targetDuration to be a whole number of seconds from 1 to 60, got: ";
        let part = "Expected partDuration to be seconds from 0.1 to 2, half the targetDuration, in milliseconds, got: ";
        let table = [
            (json!({"targetDuration": 0}), format!("{target}0")),
            (json!({"targetDuration": 61}), format!("{target}61")),
            (json!({"targetDuration": 1.5}), format!("{target}1.5")),
            (json!({"partDuration": 0.09}), format!("{part}0.09")),
            (json!({"partDuration": 2.001}), format!("{part}2.001")),
            (json!({"partDuration": 0.5005}), format!("{part}0.5005")),
            (json!({"partDuration": -1}), format!("{part}-1")),
            (
                json!({"targetWindowDuration": 0}),
                "Expected targetWindowDuration to be a positive integer, got: 0".into(),
            ),
            (json!({"subscribeMode": "all"}), "Expected subscribeMode to be 'auto' or 'manual'".into()),
            (json!({"bitrate": 1}), "Unexpected field: bitrate".into()),
        ];
        for (options, errors) in table {
            assert_eq!(of(&options), Err(Failure::bad_request(errors)), "{options}");
        }
        assert!(of(&json!({"s3": {"bucket": "b"}})).unwrap_err().is("component_disabled"));
    }

    fn of(options: &Value) -> Result<BroadcastWish, Failure> {
        read(options.as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value)))
    }
}
