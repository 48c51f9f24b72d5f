//! `/openapi.json`, made from the handlers themselves, and `/docs` to browse it. The viewer is
//! built into the program: nothing is fetched from elsewhere.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, RefOr, Required, Type};
use utoipa_swagger_ui::SwaggerUi;

use crate::http::Api;
use crate::http::live::BASE;

const SCHEME: &str = "management token";
const LIVE_SCHEME: &str = "token of a streamer, viewer or peer";

const DESCRIPTION: &str = "The management API of the cluster. Below `/api/v1/connect/{app}` it is what the current \
    Fishjam SDKs speak, with additions; at the root, what those of Fishjam 0.6 and Jellyfish speak.\n\nEvery `POST` of \
    the former takes an `Idempotency-Key`: repeated with the same key within ten minutes, at the same coordinator, it \
    is answered as before and not done again.\n\nA peer token with the scope `admin` may show its own room and remove \
    peers from it.";

/// Completes what the handlers say about themselves.
pub(crate) fn describe(mut doc: OpenApi) -> OpenApi {
    doc.info = InfoBuilder::new()
        .title("Velella")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = ComponentsBuilder::from(doc.components.take().unwrap_or_default());
    let components = components.security_scheme(SCHEME, bearer.clone()).security_scheme(LIVE_SCHEME, bearer);
    doc.components = Some(components.build());
    for (path, item) in &mut doc.paths.paths {
        for operation in operations(item) {
            name_parameters(path, operation);
            if let Some(scheme) = scheme(path) {
                operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(scheme, [])]);
            }
        }
    }
    doc
}

/// What a request has to bring.
fn scheme(path: &str) -> Option<&'static str> {
    match path.strip_prefix(BASE) {
        Some("/whip" | "/whep") => Some(LIVE_SCHEME),
        Some(_) => None,
        None => (!is_open(path)).then_some(SCHEME),
    }
}

/// What needs no token, or brings it in another way.
fn is_open(path: &str) -> bool {
    let open = ["/hls/", "/recording/{recording}/{file}", "/demo/", "/openapi.json", "/docs"];
    open.iter().any(|start| path.starts_with(start)) || path.contains("/socket/")
}

/// Every name in a path is a parameter, also the one that a whole router is nested under.
fn name_parameters(path: &str, operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let is_it = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(known) if known.name == name);
        if !parameters.iter().any(is_it) {
            parameters.push(RefOr::T(parameter(name)));
        }
    }
}

fn parameter(name: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    let described = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    described.schema(Some(text)).build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    [get, put, post, delete, options, head, patch, trace].into_iter().flatten()
}

/// Wider than that of our own pages: the viewer draws its icons from inline pictures and sets styles in place.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
);

/// The description and its viewer.
pub(crate) fn routes(doc: OpenApi) -> Router<Api> {
    let viewer: Router<Api> = SwaggerUi::new("/docs").url("/openapi.json", doc).into();
    viewer.layer(middleware::map_response(async |mut response: Response| {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
        response
    }))
}
