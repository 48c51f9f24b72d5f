//! Tokens of peers and of those who stream or watch: signed, expiring, valid at every coordinator
//! that has the secret. What a token grants stands in it; whether it was revoked, in the record.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use velella_coordinator_core::Pass;
use velella_model::record::{PeerKind, PeerRecord, Scopes};
use velella_model::wire::command::Rights;
use velella_model::{CoordinatorId, PeerId, RoomId, SessionId};
use velella_ops::Secret;

/// Who signs.
const ISSUER: &str = "velella";

/// Whom a token is for: a peer's socket takes no token of a livestream, and the other way round.
const AUDIENCE: &str = "velella-peer";
const STREAMER_AUDIENCE: &str = "velella-streamer";
const VIEWER_AUDIENCE: &str = "velella-viewer";
const HANDLE_AUDIENCE: &str = "velella-resource";

/// Clocks of coordinators may differ this much.
const LEEWAY_S: u64 = 5;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 4096;

/// What a token says of its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) kind: PeerKind,
    pub(crate) room: RoomId,
    pub(crate) peer: PeerId,
    pub(crate) scopes: Scopes,
    /// Of the record, when the token was signed.
    pub(crate) series: u64,
    /// There was no record: it is made when somebody comes.
    pub(crate) newcomer: bool,
}

/// Where a WHIP or WHEP resource is. Its address is this, signed: nobody can guess one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) session: SessionId,
    /// Who held it when it was opened.
    pub(crate) holder: CoordinatorId,
    /// Whose record says who holds it now.
    pub(crate) room: RoomId,
    pub(crate) peer: PeerId,
}

impl Grant {
    /// For a peer as its record stands.
    pub(crate) fn of(room: &RoomId, peer: &PeerId, record: &PeerRecord) -> Self {
        let PeerRecord { kind, scopes, token_series: series, .. } = *record;
        Self { kind, room: room.clone(), peer: peer.clone(), scopes, series, newcomer: false }
    }

    pub(crate) fn pass(&self) -> Pass {
        Pass { rights: self.scopes.rights, token_series: self.series, newcomer: self.newcomer }
    }
}

/// Signs and checks tokens.
pub(crate) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    handles: Validation,
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
    /// Words between spaces, as in OAuth.
    #[serde(default = "default_scope")]
    scope: String,
    #[serde(default)]
    series: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    newcomer: bool,
}

/// It lasts as long as what it names.
#[derive(Debug, Serialize, Deserialize)]
struct HandleClaims {
    iss: String,
    aud: String,
    /// The session.
    sub: String,
    holder: String,
    room: String,
    peer: String,
}

fn default_scope() -> String {
    scope(Scopes::default())
}

fn scope(scopes: Scopes) -> String {
    let words = [("publish", scopes.rights.publish), ("subscribe", scopes.rights.subscribe), ("admin", scopes.admin)];
    words.into_iter().filter(|(_, granted)| *granted).map(|(word, _)| word).collect::<Vec<_>>().join(" ")
}

fn scopes(scope: &str) -> Scopes {
    let granted = |wanted| scope.split(' ').any(|word| word == wanted);
    let rights = Rights { publish: granted("publish"), subscribe: granted("subscribe") };
    Scopes { rights, admin: granted("admin") }
}

fn audience(kind: PeerKind) -> &'static str {
    match kind {
        PeerKind::Webrtc | PeerKind::Agent => AUDIENCE,
        PeerKind::Streamer => STREAMER_AUDIENCE,
        PeerKind::Viewer => VIEWER_AUDIENCE,
    }
}

fn kind(audience: &str) -> Option<PeerKind> {
    let kinds = [PeerKind::Webrtc, PeerKind::Streamer, PeerKind::Viewer];
    kinds.into_iter().find(|kind| self::audience(*kind) == audience)
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
        validation.set_audience(&[AUDIENCE, STREAMER_AUDIENCE, VIEWER_AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let mut handles = validation.clone();
        handles.set_audience(&[HANDLE_AUDIENCE]);
        handles.set_required_spec_claims(&["iss", "aud", "sub"]);
        handles.validate_exp = false;
        let (signing, checking) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Self { signing, checking, validation, handles, ttl }
    }

    /// Signs a token; without a `ttl` of its own it is valid for as long as the configuration says.
    pub(crate) fn sign(&self, grant: &Grant, ttl: Option<Duration>) -> anyhow::Result<String> {
        let iat = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: audience(grant.kind).into(),
            sub: grant.peer.to_string(),
            room: grant.room.to_string(),
            iat,
            exp: iat + ttl.unwrap_or(self.ttl).as_secs(),
            jti: Uuid::new_v4().to_string(),
            scope: scope(grant.scopes),
            series: grant.series,
            newcomer: grant.newcomer,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing).context("a token cannot be signed")
    }

    /// Reads the token of a peer.
    pub(crate) fn check(&self, token: &str) -> Result<Grant, BadToken> {
        self.check_any(token).and_then(|grant| match grant.kind {
            PeerKind::Webrtc | PeerKind::Agent => Ok(grant),
            PeerKind::Streamer | PeerKind::Viewer => Err(BadToken::Invalid),
        })
    }

    /// Reads the token of a peer, or of who streams or watches.
    pub(crate) fn check_any(&self, token: &str) -> Result<Grant, BadToken> {
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
        let Claims { room, sub, aud, scope, series, newcomer, .. } = claims.claims;
        let kind = kind(&aud).ok_or(BadToken::Invalid)?;
        let room = RoomId::parse(&room).map_err(|_| BadToken::Invalid)?;
        let peer = PeerId::parse(&sub).map_err(|_| BadToken::Invalid)?;
        Ok(Grant { kind, room, peer, scopes: scopes(&scope), series, newcomer })
    }

    /// The last part of the address of a resource.
    pub(crate) fn sign_handle(&self, handle: &Handle) -> anyhow::Result<String> {
        let Handle { session, holder, room, peer } = handle;
        let (sub, holder) = (session.to_string(), holder.to_string());
        let (room, peer) = (room.to_string(), peer.to_string());
        let claims = HandleClaims { iss: ISSUER.into(), aud: HANDLE_AUDIENCE.into(), sub, holder, room, peer };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing).context("it cannot be signed")
    }

    /// Reads it; `None` if it is none of ours.
    pub(crate) fn check_handle(&self, text: &str) -> Option<Handle> {
        let text = Some(text).filter(|text| text.len() <= TOKEN_BYTES_MAX)?;
        let HandleClaims { sub, holder, room, peer, .. } =
            jsonwebtoken::decode::<HandleClaims>(text, &self.checking, &self.handles).ok()?.claims;
        Some(Handle {
            session: SessionId::parse(&sub).ok()?,
            holder: CoordinatorId::parse(&holder).ok()?,
            room: RoomId::parse(&room).ok()?,
            peer: PeerId::parse(&peer).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_grants_and_two_are_never_alike() {
        let tokens = tokens("s");
        let (one, two) = (tokens.sign(&grant(), None).unwrap(), tokens.sign(&grant(), None).unwrap());
        assert_ne!(one, two);
        assert_eq!(tokens.check(&one), Ok(grant()));
    }

    #[test]
    fn a_token_of_a_livestream_opens_no_peers_socket() {
        let tokens = tokens("s");
        for kind in [PeerKind::Streamer, PeerKind::Viewer] {
            let token = tokens.sign(&Grant { kind, ..grant() }, None).unwrap();
            assert_eq!(tokens.check(&token), Err(BadToken::Invalid));
            assert_eq!(tokens.check_any(&token), Ok(Grant { kind, ..grant() }));
        }
    }

    #[test]
    fn the_address_of_a_resource_is_no_token_and_a_token_no_address() {
        let tokens = tokens("s");
        let handle = Handle {
            session: SessionId::parse("s").unwrap(),
            holder: CoordinatorId::parse("c").unwrap(),
            room: RoomId::parse("r").unwrap(),
            peer: PeerId::parse("p").unwrap(),
        };
        let address = tokens.sign_handle(&handle).unwrap();
        assert_eq!(tokens.check_handle(&address), Some(handle));
        assert_eq!(tokens.check_any(&address), Err(BadToken::Invalid));
        for other in [tokens.sign(&grant(), None).unwrap(), "x".into(), address[1..].into()] {
            assert_eq!(tokens.check_handle(&other), None, "{other}");
        }
        assert_eq!(self::tokens("other").check_handle(&address), None);
    }

    #[test]
    fn a_token_from_before_there_were_scopes_publishes_and_subscribes() {
        assert_eq!(scopes(&default_scope()), Scopes::default());
        assert_eq!(
            scopes("admin unknown"),
            Scopes { rights: Rights { publish: false, subscribe: false }, admin: true }
        );
    }

    #[test]
    fn what_is_not_ours_is_invalid() {
        let token = tokens("s").sign(&grant(), None).unwrap();
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
        let (scope, series, newcomer) = (default_scope(), 0, false);
        let claims = Claims { iss, aud, sub: "p".into(), room: "r".into(), iat: 0, exp, jti, scope, series, newcomer };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &tokens.signing).unwrap()
    }

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&secret.parse().unwrap(), Duration::from_secs(60))
    }

    fn grant() -> Grant {
        let scopes = Scopes { rights: Rights { publish: false, subscribe: true }, admin: true };
        let (room, peer) = (RoomId::parse("r").unwrap(), PeerId::parse("p").unwrap());
        Grant { kind: PeerKind::Webrtc, room, peer, scopes, series: 3, newcomer: true }
    }
}
