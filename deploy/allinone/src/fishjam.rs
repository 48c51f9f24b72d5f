//! The variables of a Fishjam or Jellyfish server, so that its compose files run with another image.
//!
//! What means something here becomes a setting; the rest is named in the log. Our own variables win.

use velella_ops::config::{Environment, Mistake, Setting};

/// Newest first: the servers were renamed, and the old names stayed as a fallback.
const PREFIXES: [&str; 2] = ["FJ_", "JF_"];

/// What the old servers listen on when only one half of the address is set.
const IP_DEFAULT: &str = "127.0.0.1";
const HTTP_PORT_DEFAULT: &str = "5002";
const METRICS_PORT_DEFAULT: &str = "9568";
const MEDIA_PORT_DEFAULT: &str = "50000";

/// Log levels by their names in Elixir, where they differ.
const LOG_LEVELS: [(&str, &str); 7] = [
    ("warning", "warn"),
    ("notice", "info"),
    ("critical", "error"),
    ("alert", "error"),
    ("emergency", "error"),
    ("none", "off"),
    ("all", "debug"),
];

/// Their settings as ours, and the names of those that set nothing.
pub(crate) fn settings(environment: &Environment) -> Result<(Vec<Setting>, Vec<String>), Mistake> {
    let mut theirs = Theirs { environment, used: Vec::new(), settings: Vec::new() };
    theirs.text("management-token", "SERVER_API_TOKEN");
    theirs.text("token-secret", "SECRET_KEY_BASE");
    theirs.address("listen", ("IP", IP_DEFAULT), ("PORT", HTTP_PORT_DEFAULT), first_port);
    theirs.address("admin", ("METRICS_IP", IP_DEFAULT), ("METRICS_PORT", METRICS_PORT_DEFAULT), first_port);
    theirs.media();
    theirs.rewritten("files", "RESOURCES_BASE_PATH", |base| Some(format!("{base}/file_component_sources")));
    theirs.rewritten("public-url", "HOST", |host| Some(format!("http://{host}")));
    theirs.rewritten("log", "LOG_LEVEL", |level| Some(log_filter(level)));
    theirs.rewritten("log-format", "STRUCTURED_LOGGING", |on| (on == "true").then(|| "json".to_owned()));
    // It is so here anyway.
    theirs.granted("WEBRTC_USED", "true");
    theirs.origins();
    Ok(theirs.end())
}

struct Theirs<'a> {
    environment: &'a Environment,
    used: Vec<String>,
    settings: Vec<Setting>,
}

impl Theirs<'_> {
    /// A variable by its name without the prefix: name and value.
    fn find(&mut self, name: &str) -> Option<(String, String)> {
        let names = PREFIXES.map(|prefix| format!("{prefix}{name}"));
        let found = names.iter().find_map(|name| Some((name.clone(), self.environment.get(name)?.to_owned())));
        if found.is_some() {
            self.used.extend(names);
        }
        found
    }

    fn set(&mut self, name: &str, value: String, origin: String) {
        self.settings.push(Setting { name: name.to_owned(), values: vec![value], origin });
    }

    fn text(&mut self, name: &str, variable: &str) {
        self.rewritten(name, variable, |value| Some(value.to_owned()));
    }

    fn rewritten(&mut self, name: &str, variable: &str, rewrite: fn(&str) -> Option<String>) {
        let Some((variable, value)) = self.find(variable) else { return };
        if let Some(value) = rewrite(&value) {
            self.set(name, value, variable);
        }
    }

    /// A variable that asks for what is the case.
    fn granted(&mut self, variable: &str, wish: &str) {
        if PREFIXES.iter().any(|prefix| self.environment.get(&format!("{prefix}{variable}")) == Some(wish)) {
            self.find(variable);
        }
    }

    /// An address in two variables; the one that is not set has a default.
    fn address(&mut self, name: &str, ip: (&str, &str), port: (&str, &str), port_of: fn(&str) -> &str) {
        let found = [self.find(ip.0), self.find(port.0)];
        if found.iter().all(Option::is_none) {
            return;
        }
        let origin: Vec<_> = found.iter().flatten().map(|(variable, _)| variable.as_str()).collect();
        let origin = origin.join(" and ");
        let [ip, port] =
            [(&found[0], ip.1), (&found[1], port.1)].map(|(f, default)| f.as_ref().map_or(default, |f| &f.1));
        let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        let address = format!("{ip}:{}", port_of(port));
        self.set(name, address, origin);
    }

    /// Their relay's addresses are where clients send media; the workers take the range's first ports.
    fn media(&mut self) {
        let listen = ("WEBRTC_TURN_LISTEN_IP", IP_DEFAULT);
        self.address("udp", listen, ("WEBRTC_TURN_PORT_RANGE", MEDIA_PORT_DEFAULT), first_port);
        self.text("advertise-ip", "WEBRTC_TURN_IP");
    }

    /// `false`, a list of origins with spaces, or `true` for pages of the server's own host.
    fn origins(&mut self) {
        let own = self.find("HOST").map(|(_, host)| format!("http://{host} https://{host}"));
        let Some((variable, wish)) = self.find("CHECK_ORIGIN") else { return };
        let origins = match (wish.as_str(), own) {
            ("false", _) => return,
            ("true", Some(own)) => own,
            ("true", None) => return self.used.retain(|used| !used.ends_with("CHECK_ORIGIN")),
            _ => wish,
        };
        let values = origins.split_whitespace().map(str::to_owned).collect();
        self.settings.push(Setting { name: "allowed-origins".to_owned(), values, origin: variable });
    }

    fn end(self) -> (Vec<Setting>, Vec<String>) {
        let is_theirs = |name: &&str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let is_used = |name: &str| self.used.iter().any(|used| used == name);
        let unused = self.environment.names().filter(is_theirs).filter(|name| !is_used(name));
        (self.settings, unused.map(str::to_owned).collect())
    }
}

fn first_port(ports: &str) -> &str {
    ports.split_once('-').map_or(ports, |(first, _)| first)
}

fn log_filter(level: &str) -> String {
    let level = LOG_LEVELS.iter().find(|(theirs, _)| *theirs == level).map_or(level, |(_, ours)| ours);
    // As in our default: the engine's INFO is about single sessions.
    if level == "info" { "info,str0m=warn,dimpl=warn,srt_protocol=error".to_owned() } else { level.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Vec<(String, String, String)>, Vec<String>) {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (settings, unused) = settings(&environment).unwrap();
        (settings.into_iter().map(|s| (s.name, s.values.join(","), s.origin)).collect(), unused)
    }

    fn set(name: &str, value: &str, origin: &str) -> (String, String, String) {
        (name.into(), value.into(), origin.into())
    }

    #[test]
    fn the_command_of_their_readme_means_the_same_here() {
        let (settings, unused) = read(&[
            ("FJ_CHECK_ORIGIN", "false"),
            ("FJ_HOST", "localhost:5002"),
            ("FJ_PORT", "5002"),
            ("FJ_WEBRTC_USED", "true"),
            ("FJ_WEBRTC_TURN_PORT_RANGE", "50000-50050"),
            ("FJ_WEBRTC_TURN_IP", "192.0.2.1"),
            ("FJ_WEBRTC_TURN_LISTEN_IP", "0.0.0.0"),
            ("FJ_SERVER_API_TOKEN", "development"),
        ]);
        let udp = "FJ_WEBRTC_TURN_LISTEN_IP and FJ_WEBRTC_TURN_PORT_RANGE";
        assert_eq!(
            settings,
            [
                set("management-token", "development", "FJ_SERVER_API_TOKEN"),
                set("listen", "127.0.0.1:5002", "FJ_PORT"),
                set("udp", "0.0.0.0:50000", udp),
                set("advertise-ip", "192.0.2.1", "FJ_WEBRTC_TURN_IP"),
                set("public-url", "http://localhost:5002", "FJ_HOST"),
            ]
        );
        assert_eq!(unused, [""; 0]);
    }

    #[test]
    fn origins_are_checked_as_they_ask() {
        let origins = |variables: &[_]| read(variables).0.into_iter().find(|s| s.0 == "allowed-origins").map(|s| s.1);
        let host = ("FJ_HOST", "a.example");
        let own = Some("http://a.example,https://a.example".to_owned());
        assert_eq!(origins(&[host]), None, "theirs would, but then pages elsewhere would not work by default");
        assert_eq!(origins(&[host, ("FJ_CHECK_ORIGIN", "true")]), own);
        assert_eq!(origins(&[host, ("FJ_CHECK_ORIGIN", "false")]), None);
        let list = "https://a.example https://b.example";
        assert_eq!(origins(&[("FJ_CHECK_ORIGIN", list)]), Some(list.replace(' ', ",")));
        assert_eq!(read(&[("FJ_CHECK_ORIGIN", "true")]).1, ["FJ_CHECK_ORIGIN"]);
    }

    #[test]
    fn the_older_names_are_a_fallback() {
        let (settings, unused) = read(&[("JF_SERVER_API_TOKEN", "old"), ("FJ_SERVER_API_TOKEN", "new")]);
        assert_eq!((settings, unused.len()), (vec![set("management-token", "new", "FJ_SERVER_API_TOKEN")], 0));
        assert_eq!(read(&[("JF_IP", "::1")]).0, [set("listen", "[::1]:5002", "JF_IP")]);
    }

    #[test]
    fn files_lie_where_they_did() {
        let files = "/app/resources/file_component_sources";
        let (settings, _) = read(&[("FJ_RESOURCES_BASE_PATH", "/app/resources")]);
        assert_eq!(settings, [set("files", files, "FJ_RESOURCES_BASE_PATH")]);
    }

    #[test]
    fn log_levels_of_elixir_are_understood() {
        let level = |level| read(&[("FJ_LOG_LEVEL", level)]).0[0].1.clone();
        assert_eq!((level("warning"), level("debug")), ("warn".into(), "debug".into()));
        assert_eq!(level("info"), "info,str0m=warn,dimpl=warn,srt_protocol=error");
    }

    #[test]
    fn what_means_nothing_here_is_named() {
        let (settings, unused) = read(&[("FJ_DIST_ENABLED", "true"), ("JF_COMPONENTS_USED", "hls"), ("HOME", "/")]);
        assert_eq!((settings.len(), unused), (0, vec!["FJ_DIST_ENABLED".into(), "JF_COMPONENTS_USED".into()]));
    }
}
