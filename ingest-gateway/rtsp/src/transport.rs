//! The `Transport` header (RFC 2326 12.39): how the media of a track travels.

/// What a camera answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TransportAnswer {
    /// Channels of packets and reports on the connection.
    pub(crate) channels: Option<(u8, u8)>,
    /// Ports of packets and reports at the camera.
    pub(crate) server_ports: Option<(u16, u16)>,
}

impl TransportAnswer {
    /// Reads the first transport of a header. Its `source` and `destination` are not looked at: media
    /// comes from and goes to the address of the conversation alone.
    pub(crate) fn parse(header: &str) -> Self {
        let first = header.split(',').next().unwrap_or_default();
        let mut answer = Self::default();
        for (name, value) in first.split(';').filter_map(|parameter| parameter.split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "interleaved" => answer.channels = pair(value, |first: u8| first.checked_add(1)),
                "server_port" => answer.server_ports = pair(value, |first: u16| first.checked_add(1)),
                _ => {}
            }
        }
        answer
    }
}

/// `6-7`, or `6` alone, to which the next one belongs.
fn pair<T: std::str::FromStr + Copy>(text: &str, next: impl Fn(T) -> Option<T>) -> Option<(T, T)> {
    let (first, second) = text.split_once('-').map_or((text, None), |(first, second)| (first, Some(second)));
    let first = first.trim().parse().ok()?;
    let second = second.and_then(|second| second.trim().parse().ok());
    Some((first, second.or_else(|| next(first))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_ports_are_read_as_cameras_write_them() {
        let channels = |header| TransportAnswer::parse(header).channels;
        assert_eq!(channels("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc= 0xDEAD"), Some((0, 1)));
        assert_eq!(channels("RTP/AVP/TCP;Interleaved=4;unicast"), Some((4, 5)));
        assert_eq!(channels("RTP/AVP/TCP;interleaved=300-301"), None);
        assert_eq!(channels("RTP/AVP/TCP;interleaved=255"), None);
        let ports = |header| TransportAnswer::parse(header).server_ports;
        assert_eq!(ports("RTP/AVP;unicast;client_port=1-2;server_port=6970-6971;source=10.0.0.1"), Some((6970, 6971)));
        assert_eq!(ports("RTP/AVP;unicast;client_port=1-2"), None);
    }
}
