//! What to open and what to try, printed once at the start.

use std::io::{self, Write};
use std::net::SocketAddr;

/// Writes the welcome. The token stands in it only when it is the well-known one.
pub(crate) fn write(out: &mut impl Write, listening: SocketAddr, is_development: bool) -> io::Result<()> {
    let url = base_url(listening);
    let token = if is_development { "development" } else { "$VELELLA_MANAGEMENT_TOKEN" };
    writeln!(out, "Velella is listening on http://{listening}")?;
    writeln!(out)?;
    writeln!(out, "Open {url} in two browser windows and talk to yourself.")?;
    writeln!(out)?;
    writeln!(out, "Create a room as your server would:")?;
    writeln!(out)?;
    writeln!(out, "curl -X POST {url}/api/v1/connect/velella/room \\")?;
    writeln!(out, "  -H \"Authorization: Bearer {token}\" -H \"Content-Type: application/json\" \\")?;
    writeln!(out, "  -d '{{\"videoCodec\": \"vp8\"}}'")?;
    writeln!(out)?;
    writeln!(out, "Where is it? GET {url}/cluster/rooms/<id>/placement. Ctrl-C ends everything.")?;
    out.flush()
}

/// Browsers give camera and microphone to `localhost`, not to every loopback address by number.
fn base_url(listening: SocketAddr) -> String {
    if listening.ip().is_loopback() || listening.ip().is_unspecified() {
        format!("http://localhost:{}", listening.port())
    } else {
        format!("http://{listening}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(address: &str, is_development: bool) -> String {
        let mut out = Vec::new();
        write(&mut out, address.parse().unwrap(), is_development).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_tells_what_to_open_and_a_curl_that_works() {
        let text = text("127.0.0.1:5002", true);
        assert!(text.contains("Open http://localhost:5002 in two browser windows"));
        assert!(text.contains("curl -X POST http://localhost:5002/api/v1/connect/velella/room"));
        assert!(text.contains("Bearer development"));
    }

    #[test]
    fn a_token_of_ones_own_is_not_printed() {
        assert!(text("192.0.2.1:80", false).contains("Bearer $VELELLA_MANAGEMENT_TOKEN"));
    }
}
