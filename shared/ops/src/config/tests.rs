//! Layers of a config, and what is said about mistakes in each.

use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::Secret;

#[derive(Debug, Parser)]
#[command(name = "velella")]
struct Config {
    /// Where
    #[arg(long, env = "VELELLA_TEST_LISTEN", default_value = "127.0.0.1:5002")]
    listen: SocketAddr,
    #[arg(long, env = "VELELLA_TEST_NAME")]
    name: String,
    #[arg(long, env = "VELELLA_TEST_TOKEN", hide_env_values = true, value_parser = token)]
    token: Option<Secret>,
    #[arg(long, env = "VELELLA_TEST_IP", value_delimiter = ',')]
    ip: Vec<IpAddr>,
    #[arg(long, env = "VELELLA_TEST_DEMO")]
    demo: bool,
}

fn token(text: &str) -> Result<Secret, String> {
    if text.len() < 4 { Err("too short".into()) } else { text.parse().map_err(|_| "empty".into()) }
}

/// The variables of another server.
fn foreign(environment: &Environment) -> Result<(Vec<Setting>, Vec<String>), Mistake> {
    let name = environment.get("FJ_NAME").map(|value| Setting {
        name: "name".into(),
        values: vec![value.into()],
        origin: "FJ_NAME".into(),
    });
    let unused = environment.names().filter(|name| *name == "FJ_UNUSED").map(str::to_owned);
    Ok((name.into_iter().collect(), unused.collect()))
}

fn try_load(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Read<Config>, Mistake> {
    let arguments: Vec<OsString> = std::iter::once(&"velella").chain(arguments).map(Into::into).collect();
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    read::<Config>(&arguments, &environment, foreign)
}

fn load(arguments: &[&str], variables: &[(&str, &str)]) -> Loaded<Config> {
    let Ok(Read::Run(loaded)) = try_load(arguments, variables) else { panic!("no config") };
    loaded
}

fn said(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    try_load(arguments, variables).unwrap_err().to_string()
}

/// A file that is gone after the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("velella-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn defaults_fill_what_is_not_said() {
    let config = load(&["--name", "a"], &[]).config;
    assert_eq!((config.listen.port(), config.name.as_str(), config.demo), (5002, "a", false));
}

#[test]
fn flags_win_over_variables_over_aliases_over_the_file() {
    let file = File::new("order.toml", "name = 'file'\nlisten = '127.0.0.1:1'\ndemo = true\nip = ['::1', '::2']");
    let at = ["--config", file.path()];
    let config = load(&at, &[]).config;
    assert_eq!((config.name.as_str(), config.listen.port(), config.demo), ("file", 1, true));
    assert_eq!(config.ip, ["::1".parse::<IpAddr>().unwrap(), "::2".parse().unwrap()]);
    assert_eq!(load(&at, &[("FJ_NAME", "alias")]).config.name, "alias");
    let both = [("FJ_NAME", "alias"), ("VELELLA_TEST_NAME", "own"), ("VELELLA_TEST_IP", "::3,::4")];
    assert_eq!(load(&at, &both).config.name, "own");
    assert_eq!(load(&at, &both).config.ip.len(), 2);
    assert_eq!(load(&["--config", file.path(), "--name", "flag"], &both).config.name, "flag");
}

#[test]
fn a_variable_can_name_the_file() {
    let file = File::new("named.toml", "name = 'file'");
    assert_eq!(load(&[], &[("VELELLA_CONFIG", file.path())]).config.name, "file");
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let file = File::new("token", "hunter22\n");
    let config = load(&["--name", "a"], &[("VELELLA_TEST_TOKEN_FILE", file.path())]).config;
    assert!(config.token.unwrap().matches("hunter22"));
    assert_eq!(
        said(&["--name", "a"], &[("VELELLA_TEST_TOKEN_FILE", "/nowhere")]),
        "cannot read /nowhere: No such file or directory (os error 2) (VELELLA_TEST_TOKEN_FILE)"
    );
}

#[test]
fn a_bad_value_is_one_sentence_with_the_place_where_it_stands() {
    let reason = "invalid value 'here' for '--listen <LISTEN>': invalid socket address syntax";
    assert_eq!(said(&["--listen", "here"], &[]), format!("{reason} (VELELLA_TEST_LISTEN)"));
    assert_eq!(said(&[], &[("VELELLA_TEST_LISTEN", "here")]), format!("{reason} (VELELLA_TEST_LISTEN)"));
    let file = File::new("bad.toml", "listen = 'here'");
    let path = file.path();
    assert_eq!(said(&["--config", path], &[]), format!("{reason} (listen in {path})"));
}

#[test]
fn a_refused_secret_is_not_printed() {
    for sentence in [said(&["--token", "abc"], &[]), said(&[], &[("VELELLA_TEST_TOKEN", "abc")])] {
        assert_eq!(sentence, "invalid value '***' for '--token <TOKEN>': too short (VELELLA_TEST_TOKEN)");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    assert_eq!(said(&["--name", "a", "--lisen", "x"], &[]), "unexpected argument '--lisen' found");
    let file = File::new("unknown.toml", "nam = 'a'");
    let path = file.path();
    assert_eq!(said(&["--config", path], &[]), format!("unknown key `nam` in {path}; did you mean `name`?"));
}

#[test]
fn a_missing_value_is_named() {
    assert_eq!(said(&[], &[]), "the following required arguments were not provided: --name <NAME>");
}

#[test]
fn variables_that_differ_or_mean_nothing_are_told() {
    let variables =
        [("VELELLA_TEST_NAME", "own"), ("FJ_NAME", "alias"), ("FJ_UNUSED", "1"), ("VELELLA_TEST_NAM", "typo")];
    assert_eq!(
        load(&[], &variables).notices,
        [
            "set but not used: FJ_UNUSED, VELELLA_TEST_NAM",
            "VELELLA_TEST_NAME and FJ_NAME are both set and differ: VELELLA_TEST_NAME wins"
        ]
    );
}

#[test]
fn the_printed_config_tells_where_values_come_from_and_no_secret() {
    let arguments = ["--name", "a", "--token", "hunter22", "--print-config"];
    let Ok(Read::Print(text)) = try_load(&arguments, &[("VELELLA_TEST_DEMO", "true")]) else { panic!("nothing") };
    assert_eq!(
        text,
        "listen = \"127.0.0.1:5002\"  # default\nname = \"a\"  # flag\n# token = \"***\"  # flag\n# ip is not set\n\
         demo = true  # VELELLA_TEST_DEMO\n"
    );
}

#[test]
fn a_check_starts_nothing() {
    assert!(matches!(try_load(&["--name", "a", "--check-config"], &[]), Ok(Read::Print(_))));
}

#[test]
fn help_does_not_print_what_the_environment_says() {
    let Ok(Read::Clap(help)) = try_load(&["--help"], &[("VELELLA_TEST_TOKEN", "hunter22")]) else { panic!("no help") };
    assert!(!help.to_string().contains("hunter22"));
}
