//! What a request asks for: one object of a room's stream, which has one name whoever asks.

use velella_hls::Directives;
use velella_hls::address::Address;

use crate::reason::Reason;

/// Longest path of an object: an epoch, a name of 64 bytes and two numbers.
const PATH_BYTES_MAX: usize = 160;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish<'a> {
    pub(crate) door: Door,
    /// No id yet: whoever is refused before it matters needs none.
    pub(crate) room: &'a str,
    /// What a viewer shows to be let in, where that is needed; it is no part of the object's name.
    pub(crate) pass: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) address: Address<'a>,
    /// None but for the playlist of a rendition.
    pub(crate) directives: Directives,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Players and caches before us, for any stream.
    Viewers,
    /// Other edges, for what is packaged here.
    Edges,
}

impl<'a> Wish<'a> {
    /// Of a request's target, in which viewers have to show a pass if `guarded`. What is not for the packager in the
    /// query is ignored.
    pub(crate) fn parse(target: &'a str, query: Option<&str>, guarded: bool) -> Result<Self, Reason> {
        let (door, object) = Door::parse(target).ok_or(Reason::NotFound)?;
        let (room, object) = object.split_once('/').ok_or(Reason::NotFound)?;
        let (pass, path) = match door {
            Door::Viewers if guarded => {
                object.split_once('/').map(|(pass, path)| (Some(pass), path)).ok_or(Reason::PassRefused)?
            }
            Door::Viewers | Door::Edges => (None, object),
        };
        let address = Some(path).filter(|path| is_plain(path)).and_then(Address::parse).ok_or(Reason::NotFound)?;
        let directives = match address {
            Address::Playlist(_) => Directives::parse(query.unwrap_or_default()).map_err(|_| Reason::BadDirectives)?,
            Address::Multivariant | Address::Init(..) | Address::Segment(..) | Address::Part(..) => {
                Directives::default()
            }
        };
        Ok(Self { door, room, pass, path, address, directives })
    }

    /// Whether the answer is a playlist.
    pub(crate) fn is_playlist(&self) -> bool {
        matches!(self.address, Address::Multivariant | Address::Playlist(_))
    }
}

impl Door {
    fn parse(target: &str) -> Option<(Self, &str)> {
        let viewers = target.strip_prefix("/hls/").map(|rest| (Self::Viewers, rest));
        viewers.or_else(|| target.strip_prefix("/origin/").map(|rest| (Self::Edges, rest)))
    }
}

/// Nothing in it could be written in another way.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    path.len() <= PATH_BYTES_MAX && path.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_one_object_of_one_room() {
        let wish = Wish::parse("/hls/r/high.m3u8", Some("_HLS_msn=3&_HLS_part=1&token=x"), false).unwrap();
        assert_eq!((wish.door, wish.room, wish.path), (Door::Viewers, "r", "high.m3u8"));
        assert_eq!((wish.directives.msn, wish.directives.part), (Some(3), Some(1)));
        let wish = Wish::parse("/origin/r/3/high/1.m4s", None, false).unwrap();
        assert_eq!((wish.door, wish.path, wish.is_playlist()), (Door::Edges, "3/high/1.m4s", false));
    }

    #[test]
    fn a_pass_is_no_part_of_the_object() {
        let wish = Wish::parse("/hls/r/ff.abc/3/high/1.m4s", None, true).unwrap();
        assert_eq!((wish.pass, wish.path), (Some("ff.abc"), "3/high/1.m4s"));
        assert_eq!(Wish::parse("/hls/r/index.m3u8", None, true), Err(Reason::PassRefused));
        assert_eq!(Wish::parse("/origin/r/index.m3u8", None, true).unwrap().pass, None);
    }

    #[test]
    fn a_query_matters_to_playlists_of_renditions_alone() {
        for path in ["index.m3u8", "3/high/1.m4s", "3/high/1.2.m4s", "3/high/init.0.mp4"] {
            let target = format!("/hls/r/{path}");
            assert_eq!(
                Wish::parse(&target, Some("_HLS_msn=x"), false).unwrap().directives,
                Directives::default(),
                "{path}"
            );
        }
        assert_eq!(Wish::parse("/hls/r/high.m3u8", Some("_HLS_part=1"), false), Err(Reason::BadDirectives));
    }

    #[test]
    fn what_has_no_address_is_not_found() {
        let long = format!("/hls/r/{}.m3u8", "x".repeat(200));
        for target in [
            "",
            "/",
            "/hls",
            "/hls/",
            "/hls/r",
            "/hls/r/",
            "/hls/r/x",
            "/other/r/index.m3u8",
            "/hls/r/%68igh.m3u8",
            &long,
        ] {
            assert_eq!(Wish::parse(target, None, false), Err(Reason::NotFound), "{target}");
        }
    }
}
