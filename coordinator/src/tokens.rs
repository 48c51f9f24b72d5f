//! Peer tokens: signed, expiring, valid at every coordinator that has the secret.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use velella_model::{PeerId, RoomId};
use velella_ops::Secret;

/// Who signs.
const ISSUER: &str = "velella";

/// Whom peer tokens are for; other kinds of token will have another audience.
const AUDIENCE: &str = "velella-peer";

/// Clocks of coordinators may differ this much.
const LEEWAY_S: u64 = 5;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 4096;

/// Signs and checks peer tokens.
pub(crate) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    ttl: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The peer.
    sub: String,
    room: String,
    iat: u64,
    exp: u64,
    /// Makes every token a different one.
    jti: String,
}

/// Why a token lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadToken {
    #[error("missing token")]
    Missing,
    #[error("invalid token")]
    Invalid,
    #[error("expired token")]
    Expired,
}

impl Tokens {
    pub(crate) fn new(secret: &Secret, ttl: Duration) -> Self {
        let secret = secret.expose().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_S;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let (signing, checking) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Self { signing, checking, validation, ttl }
    }

    pub(crate) fn sign(&self, room: &RoomId, peer: &PeerId) -> anyhow::Result<String> {
        let iat = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: peer.to_string(),
            room: room.to_string(),
            iat,
            exp: iat + self.ttl.as_secs(),
            jti: Uuid::new_v4().to_string(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing).context("a token cannot be signed")
    }

    pub(crate) fn check(&self, token: &str) -> Result<(RoomId, PeerId), BadToken> {
        if token.is_empty() {
            return Err(BadToken::Missing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(BadToken::Invalid);
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation);
        let claims = decoded.map_err(|error| {
            let expired = matches!(error.kind(), ErrorKind::ExpiredSignature);
            if expired { BadToken::Expired } else { BadToken::Invalid }
        })?;
        let Claims { room, sub, .. } = claims.claims;
        let room = RoomId::parse(&room).map_err(|_| BadToken::Invalid)?;
        let peer = PeerId::parse(&sub).map_err(|_| BadToken::Invalid)?;
        Ok((room, peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_peer_and_two_are_never_alike() {
        let (tokens, room, peer) = (tokens("s"), room(), peer());
        let (one, two) = (tokens.sign(&room, &peer).unwrap(), tokens.sign(&room, &peer).unwrap());
        assert_ne!(one, two);
        assert_eq!(tokens.check(&one), Ok((room, peer)));
    }

    #[test]
    fn what_is_not_ours_is_invalid() {
        let token = tokens("s").sign(&room(), &peer()).unwrap();
        assert_eq!(tokens("other").check(&token), Err(BadToken::Invalid));
        for garbage in ["x", "a.b.c", &token[1..], &"x".repeat(5000)] {
            assert_eq!(tokens("s").check(garbage), Err(BadToken::Invalid), "{garbage}");
        }
        assert_eq!(tokens("s").check(""), Err(BadToken::Missing));
    }

    #[test]
    fn an_old_token_is_expired() {
        let tokens = tokens("s");
        assert_eq!(tokens.check(&signed(&tokens, AUDIENCE, 1_000)), Err(BadToken::Expired));
    }

    #[test]
    fn a_token_for_another_audience_or_without_signature_is_invalid() {
        let tokens = tokens("s");
        assert_eq!(tokens.check(&signed(&tokens, "velella-agent", u64::MAX / 4)), Err(BadToken::Invalid));
        let token = signed(&tokens, AUDIENCE, u64::MAX / 4);
        let (_, claims) = token.rsplit_once('.').unwrap().0.split_once('.').unwrap();
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
        assert_eq!(tokens.check(&unsigned), Err(BadToken::Invalid));
    }

    fn signed(tokens: &Tokens, audience: &str, exp: u64) -> String {
        let (iss, aud, jti) = (ISSUER.into(), audience.into(), String::new());
        let claims = Claims { iss, aud, sub: "p".into(), room: "r".into(), iat: 0, exp, jti };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &tokens.signing).unwrap()
    }

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&secret.parse().unwrap(), Duration::from_secs(60))
    }

    fn room() -> RoomId {
        RoomId::parse("r").unwrap()
    }

    fn peer() -> PeerId {
        PeerId::parse("p").unwrap()
    }
}
