//! Who we are, as a camera wants to hear it: basic or digest (RFC 7617, RFC 7616).

use http_auth::{PasswordClient, PasswordParams};
use velella_guard::Credentials;

use crate::error::Error;
use crate::message::Response;

/// Credentials, and the camera's last challenge.
pub(crate) struct Login {
    credentials: Option<Credentials>,
    client: Option<PasswordClient>,
}

impl Login {
    pub(crate) fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, client: None }
    }

    /// What to say with a request; nothing before the camera asked.
    pub(crate) fn header(&mut self, method: &str, uri: &str) -> Option<String> {
        let credentials = self.credentials.as_ref()?;
        let (username, password) = (credentials.username.as_str(), credentials.password.as_str());
        self.client.as_mut()?.respond(&PasswordParams { username, password, uri, method, body: Some(&[]) }).ok()
    }

    /// Takes the challenge of a refusal. Digest goes before basic, whatever comes first.
    pub(crate) fn challenged(&mut self, response: &Response) -> Result<(), Error> {
        let given = self.credentials.is_some();
        if !given {
            return Err(Error::LoginRefused { given });
        }
        let challenges = response.headers.all("WWW-Authenticate");
        let builder = challenges.fold(PasswordClient::builder(), |builder, challenge| builder.challenges(challenge));
        let client = builder.build().map_err(|_| Error::Protocol("it asks for a login of an unknown kind"))?;
        self.client = Some(client);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::message::Head;

    fn refusal(challenges: &str) -> Response {
        let Some(Head::Response { status, headers }) =
            Head::parse(format!("RTSP/1.0 401 No\r\n{challenges}\r\n").as_bytes())
        else {
            panic!("no response")
        };
        Response { status, headers, body: Bytes::new() }
    }

    fn login() -> Login {
        Login::new(Some(Credentials { username: "admin".to_owned(), password: "p@ss".to_owned() }))
    }

    #[test]
    fn digest_goes_before_basic() {
        let mut login = login();
        assert_eq!(login.header("DESCRIBE", "rtsp://cam/x"), None);
        login
            .challenged(&refusal(
                "WWW-Authenticate: Basic realm=\"cam\"\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"5\", stale=\"FALSE\"\r\n",
            ))
            .unwrap();
        let header = login.header("DESCRIBE", "rtsp://cam/x").unwrap();
        // MD5 of MD5(admin:cam:p@ss):5:MD5(DESCRIBE:rtsp://cam/x), by md5sum.
        assert!(header.contains("response=\"477f124470336dcc8e773e52106742b2\""), "{header}");
        assert!(header.starts_with("Digest username=\"admin\""), "{header}");
    }

    #[test]
    fn basic_is_taken_where_nothing_else_is_offered() {
        let mut login = login();
        login.challenged(&refusal("WWW-Authenticate: Basic realm=\"cam\"\r\n")).unwrap();
        assert_eq!(login.header("PLAY", "rtsp://cam/x").as_deref(), Some("Basic YWRtaW46cEBzcw=="));
    }

    #[test]
    fn without_credentials_a_challenge_is_a_refusal() {
        let refused = Login::new(None).challenged(&refusal("WWW-Authenticate: Basic realm=\"cam\"\r\n"));
        assert!(matches!(refused, Err(Error::LoginRefused { given: false })));
        assert!(matches!(login().challenged(&refusal("")), Err(Error::Protocol(_))));
    }

    proptest! {
        #[test]
        fn any_challenge_can_be_heard(scheme in "Basic|Digest|[A-Z]{0,9}", rest in "[ -~]{0,80}", pairs in "([a-z]{0,9}=\"?[ -~]{0,9}\"?,? ?){0,5}") {
            for text in [format!("{scheme} {rest}"), format!("Digest realm=\"x\", nonce=\"y\", {pairs}")] {
                let mut login = login();
                if login.challenged(&refusal(&format!("WWW-Authenticate: {text}\r\n"))).is_ok() {
                    let _ = login.header("PLAY", "rtsp://cam/x");
                }
            }
        }
    }
}
