//! Which sources a gateway may connect to.
//!
//! Whoever may name the URL of a camera makes the gateway connect to it, from inside the cluster's
//! network. So a URL is parsed once ([`SourceUrl`]), its name is resolved once, each address is held
//! against a [`Policy`], and only what passed comes out ([`Checked`]): the connection is made to that
//! address and never to the name, which may say something else a moment later.
//!
//! What is secret in a URL stays in it: neither its `Debug` nor its `Display` tells.

#![warn(missing_docs)]

mod cidr;
mod guard;
mod kind;
mod policy;
mod redact;
mod source_url;

pub use cidr::{Cidr, CidrError};
pub use guard::{ADDRESSES_MAX, Checked, Guard, Refusal};
pub use kind::AddressKind;
pub use policy::Policy;
pub use source_url::{Credentials, Host, Scheme, SourceUrl, URL_BYTES_MAX, UrlError};
